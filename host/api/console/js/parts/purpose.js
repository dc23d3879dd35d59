// Why somebody asks. Kept for the visit, so that it is not asked again on every page.

import { h } from "../dom.js";
import { PURPOSES } from "../format.js";

export const statedPurpose = () => sessionStorage.getItem("caveat-purpose") ?? "";

/** A choice of purposes; `changed` is called with the new one. */
export function purposePicker(changed) {
  const select = h(
    "select",
    { id: "purpose", onchange: () => { sessionStorage.setItem("caveat-purpose", select.value); changed(select.value); } },
    h("option", { value: "" }, "Choose a purpose"),
    Object.entries(PURPOSES).map(([code, word]) => h("option", { value: code, selected: code === statedPurpose() }, word)),
  );
  return { element: h("div", { class: "field" }, h("label", { for: "purpose" }, "Purpose"), select), purpose: () => select.value };
}
