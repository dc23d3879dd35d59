//! What a browser does about cookies and redirects, by hand, so that a test sees each step of it.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use reqwest::{Client, Method, RequestBuilder, Response, Url, header, redirect};
use serde_json::Value;

/// Redirects followed before it gives up.
const REDIRECTS_MAX: usize = 12;

/// A browser: cookies per host and port, as the tests' hosts differ by nothing else.
pub struct Browser {
    http: Client,
    cookies: BTreeMap<(String, String), String>,
    /// Whole `Set-Cookie` lines, in the order they came.
    pub set: Vec<String>,
    /// Every address it was sent to.
    pub visited: Vec<String>,
}

impl Default for Browser {
    fn default() -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap_or_default();
        Self::with(http)
    }
}

impl Browser {
    /// With a client of one's own, which must follow no redirects.
    pub fn with(http: Client) -> Self {
        Self { http, cookies: BTreeMap::new(), set: Vec::new(), visited: Vec::new() }
    }

    /// A cookie that it has of the host of `url`.
    pub fn cookie(&self, url: &str, name: &str) -> Option<&str> {
        let host = authority(&Url::parse(url).ok()?);
        self.cookies.get(&(host, name.to_owned())).map(String::as_str)
    }

    /// Puts a cookie in, as somebody would who has found it.
    pub fn put_cookie(&mut self, url: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let host = authority(&Url::parse(url)?);
        self.cookies.insert((host, name.to_owned()), value.to_owned());
        Ok(())
    }

    /// A request as a page of the host makes it, with the cookies of its host.
    pub fn from_page(&self, method: Method, url: &str) -> RequestBuilder {
        self.request(method, url).header("x-caveat", "console").header("sec-fetch-site", "same-origin")
    }

    /// A request with the cookies of its host and nothing else.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.http.request(method, url);
        let Ok(url) = Url::parse(url) else { return request };
        let host = authority(&url);
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|((of, _), _)| *of == host)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        if cookies.is_empty() { request } else { request.header(header::COOKIE, cookies.join("; ")) }
    }

    /// Sends a request and keeps the cookies of its answer.
    pub async fn send(&mut self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer = request.send().await?;
        let host = authority(answer.url());
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str()?;
            self.set.push(line.to_owned());
            let (name, value) = line.split(';').next().and_then(|p| p.split_once('=')).context("a cookie")?;
            let key = (host.clone(), name.trim().to_owned());
            let is_over = value.is_empty() || line.to_lowercase().contains("max-age=0");
            if is_over || line.contains("01 Jan 1970") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.trim().to_owned());
            }
        }
        Ok(answer)
    }

    /// Sends JSON as a page of the host does.
    pub async fn post(&mut self, url: &str, body: &Value) -> anyhow::Result<Response> {
        let request = self.from_page(Method::POST, url).json(body);
        self.send(request).await
    }

    /// Opens an address and follows redirects, until one leads to `until` or the answer is none.
    pub async fn open(&mut self, url: &str, until: &str) -> anyhow::Result<Response> {
        let mut url = Url::parse(url)?;
        for _ in 0..REDIRECTS_MAX {
            self.visited.push(url.to_string());
            let request = self.request(Method::GET, url.as_str());
            let answer = self.send(request).await?;
            let Some(to) = answer.headers().get(header::LOCATION) else { return Ok(answer) };
            let to = url.join(to.to_str()?)?;
            if to.as_str().starts_with(until) {
                self.visited.push(to.to_string());
                return Ok(answer);
            }
            url = to;
        }
        bail!("it is sent from one place to the next: {:?}", self.visited)
    }
}

fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}
