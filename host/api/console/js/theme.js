// Before the first paint, so that nothing flashes: the theme that was chosen, if one was.
{
  const chosen = localStorage.getItem("caveat-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
