// What the page does beyond what the server sends: says how fresh it is, keeps the focus when a part is
// replaced, and answers keys. Without it the page works by being reloaded.
"use strict";
(() => {
  const STALE = 8_000; // ms without a word; the server looks every 5 s
  const live = document.getElementById("live");
  let heard = Date.now();
  let state = "connecting";
  let told = "";
  const status = document.createElement("span");
  const seconds = document.createElement("span");

  function show() {
    if (!live) return;
    const silent = Date.now() - heard;
    let said = state;
    let age = "";
    let kind = state;
    if (state === "live" && silent > STALE) {
      said = kind = "stale";
      age = ` ${Math.round(silent / 1000)} s`;
    }
    if (state === "slow") said = "the database takes too long";
    if (live.dataset.state !== kind) live.dataset.state = kind;
    // who listens to a screen hears a change once, and not every second how long ago it was
    if (told !== said) status.textContent = told = said;
    if (seconds.textContent !== age) seconds.textContent = age;
  }

  function pulse(event) {
    heard = Date.now();
    if (event.data === "gone") {
      state = "gone";
      event.target.close();
    } else {
      state = event.data === "away" ? "disconnected" : event.data;
    }
    show();
  }

  if (live) {
    status.setAttribute("role", "status");
    seconds.ariaHidden = "true";
    live.replaceChildren(status, seconds);
    document.body.addEventListener("htmx:sseOpen", (event) => {
      const source = event.detail.source;
      if (!source.heardByPage) {
        source.heardByPage = true;
        source.addEventListener("pulse", pulse);
      }
    });
    document.body.addEventListener("htmx:sseError", (event) => {
      // the address may have been refused; htmx tries again by itself
      event.preventDefault();
      if (state !== "gone") state = "disconnected";
      show();
    });
    setInterval(show, 1_000);
    show();
  }

  // times are UTC, for everybody the same; how long ago that was is added here, and the local time as a title
  const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

  function ago(seconds) {
    const size = Math.abs(seconds);
    if (size < 1) return "now";
    const [unit, length] = UNITS.find(([, each]) => size >= each);
    const said = `${Math.floor(size / length)} ${unit}`;
    return seconds > 0 ? `${said} ago` : `in ${said}`;
  }

  function date(root) {
    root.querySelectorAll("time").forEach((each) => {
      const moment = new Date(each.dateTime);
      const said = ago((Date.now() - moment) / 1000);
      each.title = `${moment.toLocaleString()}, ${said}`;
      if (!each.closest("td")) each.dataset.ago = said;
    });
  }
  date(document);
  setInterval(() => date(document), 10_000);

  // a part is replaced as a whole: what had the focus or was typed, what was open and how far it was scrolled
  // stays. While a button or a finger is down nothing is replaced, or a click would miss what it was meant for.
  const kept = new Map();
  const held = new Map();
  let isDown = false;

  function keep(part) {
    const active = part.contains(document.activeElement) ? document.activeElement : null;
    kept.set(part, {
      key: active && active.dataset ? active.dataset.key : undefined,
      open: [...part.querySelectorAll("details")].map((each) => each.open),
      scrolled: [...part.querySelectorAll(".scroll, pre")].map((each) => [each.scrollLeft, each.scrollTop]),
      typed: [...part.querySelectorAll("input[data-key]")]
        .filter((each) => each.value !== each.defaultValue)
        .map((each) => [each.dataset.key, each.value]),
    });
  }

  function keyed(part, key) {
    return [...part.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  }

  function restore(part) {
    const before = kept.get(part);
    if (!before) return;
    kept.delete(part);
    date(part);
    part.querySelectorAll("details").forEach((each, place) => {
      if (before.open[place] !== undefined) each.open = before.open[place];
    });
    part.querySelectorAll(".scroll, pre").forEach((each, place) => {
      if (before.scrolled[place]) [each.scrollLeft, each.scrollTop] = before.scrolled[place];
    });
    before.typed.forEach(([key, value]) => {
      const again = keyed(part, key);
      if (again) again.value = value;
    });
    const again = before.key && keyed(part, before.key);
    if (again) again.focus({ preventScroll: true });
  }

  document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
    if (isDown) {
      event.preventDefault();
      held.set(event.target, event.detail.data);
    } else {
      held.delete(event.target);
      keep(event.target);
    }
  });
  document.body.addEventListener("htmx:sseMessage", (event) => restore(event.target));

  function release() {
    isDown = false;
    // the click comes after this
    setTimeout(() => {
      if (isDown) return;
      held.forEach((data, part) => {
        keep(part);
        htmx.swap(part, data, { swapStyle: "innerHTML", swapDelay: 0, settleDelay: 0 });
        restore(part);
      });
      held.clear();
    });
  }
  window.addEventListener("pointerdown", () => { isDown = true; });
  window.addEventListener("pointerup", release);
  window.addEventListener("pointercancel", release);
  window.addEventListener("blur", release);

  const nodes = () => [...document.querySelectorAll("[data-graph] a.node")];
  const place = (node) => {
    const box = node.getBoundingClientRect();
    return { x: box.x, y: box.y + box.height / 2 };
  };

  function linked(node, side) {
    const numbers = (node.dataset[side] || "").split(" ").filter(Boolean);
    const found = nodes().filter((each) => numbers.includes(each.dataset.n));
    const here = place(node).y;
    return found.sort((a, b) => Math.abs(place(a).y - here) - Math.abs(place(b).y - here))[0];
  }

  function beside(node, sign) {
    const here = place(node);
    const found = nodes()
      .filter((each) => (place(each).y - here.y) * sign > 1 && Math.abs(place(each).x - here.x) < 8)
      .sort((a, b) => (place(a).y - place(b).y) * sign);
    return found[0];
  }

  function failure(sign) {
    // what failed by itself, not what was cancelled because of that
    const causes = nodes().filter((each) => each.dataset.cause);
    const found = causes.length ? causes : [...document.querySelectorAll("a[data-failure]")];
    if (!found.length) return undefined;
    const now = found.indexOf(document.activeElement);
    if (now < 0) return sign > 0 ? found[0] : found[found.length - 1];
    return found[(now + sign + found.length) % found.length];
  }

  function go(target, event) {
    if (!target) return;
    event.preventDefault();
    target.focus();
    target.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const keys = document.getElementById("keys");
  const opener = document.querySelector("[data-keys-open]");
  if (opener && keys) {
    opener.hidden = false;
    opener.addEventListener("click", () => keys.showModal());
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const node = event.target.closest("a.node");
    switch (event.key) {
      case "?": if (keys) { event.preventDefault(); keys.showModal(); } break;
      case "/": go(document.querySelector(".filter input"), event); break;
      case "g": go(nodes()[0], event); break;
      case "n": go(failure(1), event); break;
      case "p": go(failure(-1), event); break;
      case "ArrowLeft": if (node) go(linked(node, "left"), event); break;
      case "ArrowRight": if (node) go(linked(node, "right"), event); break;
      case "ArrowUp": if (node) go(beside(node, -1), event); break;
      case "ArrowDown": if (node) go(beside(node, 1), event); break;
    }
  });
})();
