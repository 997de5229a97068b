// Theme, tables that sort, the filter of all claims, two runs to compare, and the values of charts. Without it every page still says everything.
"use strict";

const root = document.documentElement;

function stored(theme) {
  try {
    if (theme) localStorage.setItem("theme", theme);
    return localStorage.getItem("theme");
  } catch {
    return theme ?? null; // a browser may refuse storage to files
  }
}

const chosen = stored();
if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

document.addEventListener("DOMContentLoaded", () => {
  theme(document.getElementById("theme"));
  document.querySelectorAll("table.sortable").forEach(sorting);
  const field = document.getElementById("filter");
  if (field) filtering(field);
  const choice = document.getElementById("compare");
  if (choice) comparing(choice);
  charts();
});

function theme(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const now = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  const name = () => (button.textContent = now() === "dark" ? "Light" : "Dark");
  button.hidden = false;
  button.setAttribute("aria-label", "Change between light and dark");
  button.addEventListener("click", () => {
    root.dataset.theme = now() === "dark" ? "light" : "dark";
    stored(root.dataset.theme);
    name();
  });
  dark.addEventListener("change", name);
  name();
}

function sorting(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (text === "" || text === "–") return null;
    const number = text === "inf" ? Infinity : Number(text);
    return Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const compare = (a, b) => (typeof a === typeof b && typeof a === "number" ? a - b || 0 : String(a).localeCompare(String(b)));
  heads.forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : down ? compare(b, a) : compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// What a reader chose stands in the address, after the #, so that a link leads to the same view.
function asked() {
  return new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
}

function note(values) {
  const said = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
  history.replaceState(null, "", `#${said}`);
}

function filtering(field) {
  const papers = [...document.querySelectorAll("section.paper")].map((section) => ({
    section,
    suites: [...section.querySelectorAll("section.suite")].map((suite) => ({
      suite,
      rows: [...suite.querySelectorAll("tbody tr")].map((row) => ({
        row,
        words: `${section.dataset.words} ${suite.dataset.words} ${row.querySelector(".claim").textContent}`.toLowerCase(),
        states: [...row.querySelector(".verdict").classList],
      })),
    })),
  }));
  const buttons = [...document.querySelectorAll(".filters button")];
  let state = "";
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { section, suites } of papers) {
      const before = shown;
      for (const { suite, rows } of suites) {
        let some = 0;
        for (const { row, words: text, states } of rows) {
          row.hidden = !((!state || states.includes(state)) && words.every((word) => text.includes(word)));
          some += !row.hidden;
        }
        suite.hidden = !some;
        shown += some;
      }
      section.hidden = shown === before;
    }
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.state === state)));
    document.getElementById("none").hidden = shown > 0;
    document.getElementById("shown").textContent = words.length || state ? `${shown} shown` : "";
  };
  const chosen = () => {
    apply();
    note({ words: field.value, verdict: state });
  };
  const fromAddress = () => {
    const values = asked();
    state = buttons.some((button) => button.dataset.state === values.get("verdict")) ? values.get("verdict") : "";
    field.value = values.get("words") ?? "";
    apply();
  };
  field.closest(".filters").hidden = false;
  field.addEventListener("input", chosen);
  buttons.forEach((button) =>
    button.addEventListener("click", () => {
      state = button.dataset.state;
      chosen();
    }),
  );
  addEventListener("hashchange", fromAddress);
  fromAddress();
}

function comparing(choice) {
  const table = document.querySelector("table.runs-compared");
  const selects = ["before", "after"].map((id) => document.getElementById(id));
  const apply = () => {
    const [before, after] = selects.map((select) => Number(select.value));
    let differing = 0;
    for (const row of table.rows) {
      const cells = [...row.cells].slice(1);
      cells.forEach((cell, i) => (cell.hidden = i !== before && i !== after));
      const differs = row.parentElement === table.tBodies[0] && cells[before].dataset.said !== cells[after].dataset.said;
      cells.forEach((cell, i) => cell.classList.toggle("differs", differs && i === after));
      differing += differs;
    }
    const lastTwo = document.getElementById("last-two");
    if (lastTwo) lastTwo.hidden = before !== selects[0].length - 2 || after !== selects[1].length - 1;
    document.getElementById("differing").textContent = `${differing} differ`;
  };
  const values = asked();
  for (const select of selects) {
    if ([...select.options].some((option) => option.value === values.get(select.id))) select.value = values.get(select.id);
    select.addEventListener("change", () => {
      apply();
      note(Object.fromEntries(selects.map((each) => [each.id, each.value])));
    });
  }
  choice.hidden = false;
  apply();
}

function charts() {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const show = (spot) => {
    tip.replaceChildren(...spot.getAttribute("aria-label").split("; ").map((line) => Object.assign(document.createElement("p"), { textContent: line })));
    tip.hidden = false;
    const mark = (spot.querySelector(".guide") ?? spot).getBoundingClientRect();
    const left = Math.min(Math.max(8, mark.right + 10), innerWidth - tip.offsetWidth - 8);
    const over = left < mark.right ? Math.max(8, mark.left - tip.offsetWidth - 10) : left;
    const wide = over < mark.right && over + tip.offsetWidth > mark.left; // no room beside it: below
    tip.style.left = `${over + scrollX}px`;
    tip.style.top = `${Math.max(8, wide ? mark.bottom + 6 : mark.top + 6) + scrollY}px`;
  };
  const hide = () => (tip.hidden = true);
  document.querySelectorAll("svg.plot").forEach((plot) => {
    const spots = [...plot.querySelectorAll(".spot")];
    spots.forEach((spot) => {
      const title = spot.querySelector("title");
      spot.setAttribute("aria-label", title.textContent);
      if (spot.tagName !== "a") spot.setAttribute("role", "img");
      title.remove(); // or the browser would show it as well, later
      spot.addEventListener("pointerenter", () => show(spot));
      spot.addEventListener("pointerleave", hide);
      spot.addEventListener("focus", () => show(spot));
      spot.addEventListener("blur", hide);
    });
    plot.addEventListener("keydown", (event) => {
      const here = spots.indexOf(document.activeElement);
      const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: spots.length - 1 }[event.key];
      if (event.key === "Escape") hide();
      if (here < 0 || to === undefined || !spots[to]) return;
      event.preventDefault();
      spots.forEach((spot, i) => spot.setAttribute("tabindex", i === to ? "0" : "-1"));
      spots[to].focus();
    });
  });
}
