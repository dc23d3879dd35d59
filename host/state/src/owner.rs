//! Roles on PostgreSQL: the owner of the tables, who makes them and the policies that keep clients apart, and the host's
//! role, for which these policies hold. They hold for no superuser, no owner and nobody with `BYPASSRLS`: none of those
//! is a host's role.

use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Transaction};

use crate::{Purpose, StateError, sql};

/// The policy of every table with a column `client`. Nobody's client is no text.
const OF_CLIENT: &str = "client = (SELECT NULLIF(current_setting('caveat.client', true), ''))";

/// Who has the tables of a schema made, and whom they are made for.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) pool: AnyPool,
    /// The host's role.
    pub(crate) host: String,
}

/// What of a table is looked into across clients, and for what.
pub type Across = (Purpose, &'static str);

/// Refuses a role for which policies do not hold, and tables that have none.
pub(crate) async fn check_host(pool: &AnyPool) -> Result<(), StateError> {
    let asked = "SELECT CAST(current_user AS TEXT), r.rolsuper,
          EXISTS (SELECT 1 FROM pg_roles o WHERE (o.rolbypassrls OR o.rolsuper) AND pg_has_role(r.oid, o.oid, 'MEMBER')),
          EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
            AND c.relkind IN ('r', 'p') AND pg_has_role(r.oid, c.relowner, 'MEMBER'))
        FROM pg_roles r WHERE r.rolname = current_user";
    let (role, is_superuser, passes, owns): (String, bool, bool, bool) =
        sqlx::query_as(asked).fetch_one(pool).await.map_err(sql("say who the host is to it"))?;
    let why = match (is_superuser, passes, owns) {
        (true, ..) => "is a superuser",
        (_, true, _) => "passes by row-level security (BYPASSRLS), or may become one who does",
        (.., true) => "owns the tables, or may become their owner",
        _ => {
            let bare = bare_tables(&mut *pool.acquire().await.map_err(sql("open"))?).await?;
            return if bare.is_empty() { Ok(()) } else { Err(StateError::Bare { tables: bare.join(", ") }) };
        }
    };
    Err(StateError::Privileged { role, why })
}

/// Tables with a client that have no policy, or do not keep to it.
async fn bare_tables(connection: &mut AnyConnection) -> Result<Vec<String>, StateError> {
    let asked = "SELECT CAST(c.relname AS TEXT) FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'client' AND NOT a.attisdropped
        WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind IN ('r', 'p')
          AND NOT (c.relrowsecurity
            AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'client'))
        ORDER BY 1";
    sqlx::query_scalar(asked).fetch_all(connection).await.map_err(sql("list tables without a policy"))
}

impl Owner {
    /// Gives what `room` has made its policies, and the host's role what it needs of it.
    pub(crate) async fn secure(
        &self,
        tx: &mut Transaction<'static, Any>,
        room: &str,
        across: &[Across],
    ) -> Result<(), StateError> {
        let mut todo = vec![];
        for table in bare_tables(tx).await? {
            todo.push(format!(
                "ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY;
                 DROP POLICY IF EXISTS client ON \"{table}\";
                 CREATE POLICY client ON \"{table}\" USING ({OF_CLIENT})"
            ));
        }
        let prefix = format!("across {room} ");
        let there: Vec<(String, String)> = sqlx::query_as(
            "SELECT CAST(c.relname AS TEXT), CAST(p.polname AS TEXT) FROM pg_policy p
             JOIN pg_class c ON c.oid = p.polrelid
             WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND starts_with(CAST(p.polname AS TEXT), $1)",
        )
        .bind(prefix.as_str())
        .fetch_all(&mut **tx)
        .await
        .map_err(sql("list policies"))?;
        let wanted: Vec<(&str, String, Purpose)> =
            across.iter().map(|(purpose, table)| (*table, format!("{prefix}{purpose}"), *purpose)).collect();
        for (table, policy) in &there {
            if !wanted.iter().any(|(of, name, _)| of == table && name == policy) {
                todo.push(format!("DROP POLICY \"{policy}\" ON \"{table}\""));
            }
        }
        for (table, policy, purpose) in wanted {
            if !there.iter().any(|(of, name)| of == table && *name == policy) {
                todo.push(format!(
                    "CREATE POLICY \"{policy}\" ON \"{table}\"
                     USING ((SELECT current_setting('caveat.across', true)) = '{purpose}')"
                ));
            }
        }
        self.grant(tx, &mut todo).await?;
        for statement in todo {
            // Put together of parts of the program and of names in the catalog.
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut **tx)
                .await
                .map_err(sql("set a policy, or give the host's role its rights"))?;
        }
        Ok(())
    }

    /// What the host's role lacks: its list of migrations to read, the other tables to read and write.
    async fn grant(
        &self,
        tx: &mut Transaction<'static, Any>,
        todo: &mut Vec<String>,
    ) -> Result<(), StateError> {
        let usage = "SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), CAST($1 AS TEXT))
                     WHERE NOT has_schema_privilege(CAST($1 AS NAME), current_schema(), 'USAGE')";
        let tables = "SELECT format('GRANT %s ON TABLE %I TO %I', w.rights, c.relname, CAST($1 AS TEXT))
             FROM pg_class c CROSS JOIN LATERAL (SELECT CASE c.relname WHEN 'migration' THEN 'SELECT'
               ELSE 'SELECT, INSERT, UPDATE, DELETE' END AS rights) w
             WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind IN ('r', 'p')
               AND EXISTS (SELECT 1 FROM regexp_split_to_table(w.rights, ', ') t
                 WHERE NOT has_table_privilege(CAST($1 AS NAME), c.oid, t))";
        for asked in [usage, tables] {
            let lacking: Vec<String> = sqlx::query_scalar(asked)
                .bind(self.host.as_str())
                .fetch_all(&mut **tx)
                .await
                .map_err(sql("say what the host's role may do"))?;
            todo.extend(lacking);
        }
        Ok(())
    }

    /// Makes the host's role where it is not there; whether it did.
    pub(crate) async fn make_host(&self, password: Option<&str>) -> Result<bool, StateError> {
        let text = "SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', CAST($1 AS TEXT))
               || CASE WHEN CAST($2 AS TEXT) = '' THEN '' ELSE format(' PASSWORD %L', CAST($2 AS TEXT)) END
             WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = CAST($1 AS TEXT))";
        let make: Option<String> = sqlx::query_scalar(text)
            .bind(self.host.as_str())
            .bind(password.unwrap_or_default())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look for the host's role"))?;
        let Some(make) = make else { return Ok(false) };
        // Quoted by the server.
        sqlx::raw_sql(AssertSqlSafe(make)).execute(&self.pool).await.map_err(sql("make the host's role"))?;
        Ok(true)
    }
}
