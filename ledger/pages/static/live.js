// Keeps an open page up to date: an event for each new block, then the same page again, of which only what differs is taken over.

const status = document.querySelector("[role=status]");
let told = status.dataset.state;
let fetching = false;
let again = false;

function say(state, words) {
  const text = status.dataset[`${words ?? state}Words`];
  if (status.dataset.state !== state) status.dataset.state = state;
  if (text && status.textContent !== text) status.textContent = text;
}

/** Makes `old` like `fresh` with as few changes as can be, so that focus, selection and place stay. */
function adopt(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) return;
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  before.slice(after.length).forEach((node) => node.remove());
  after.forEach((node, at) => (at < before.length ? adopt(before[at], node) : old.append(node.cloneNode(true))));
}

async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    // A page of a block that is no longer part of the chain: what it says isn't so.
    if (answer.status === 404 && document.querySelector("main [data-live]")) location.reload();
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const update = fresh.getElementById(part.id);
      if (update) adopt(part, update);
    }
    document.dispatchEvent(new CustomEvent("refreshed"));
  } catch {
    say("lost", "server");
  } finally {
    fetching = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

const events = new EventSource("/live");
events.onmessage = ({ data }) => {
  const { state, head } = JSON.parse(data);
  say(state);
  const shown = document.querySelector("[data-head]");
  if (!shown && head) location.reload();
  else if (shown && (Number(shown.dataset.head) !== head || told !== state)) refresh();
  told = state;
};
events.onerror = () => say("lost", "server");
