// A live page: ffnn serves its document as the store grows.

const PAUSE = 1000; // milliseconds before the next question where one failed

let asking = new AbortController();
let pending = null; // a document that is not in view yet

// Ask anew, since something else is asked for.
function ask() {
  asking.abort();
}

async function show() {
  if (!pending || document.hidden) return;
  const received = pending;
  pending = null;
  await refresh(received.data, received.body);
}

function tell(words) {
  byId("stopped").textContent = words;
  byId("stopped").hidden = !words;
}

// Show one document after the other: each question is held until there is another one than ``version``.
// ``question`` returns what of the document is asked for, the query of its address.
async function follow(address, question = () => "") {
  let version = "";
  document.addEventListener("visibilitychange", show);
  for (;;) {
    try {
      asking = new AbortController();
      const headers = { "If-None-Match": version, Prefer: "wait" };
      const answer = await fetch(address + question(), { headers, cache: "no-store", signal: asking.signal });
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(await answer.text());
        pending = await answer.json();
        version = answer.headers.get("ETag");
        await show();
      }
      if (answer.headers.get("X-Ended")) {
        tell("This is how it was when ffnn ended: the page is no longer kept up to date.");
        return;
      }
      tell("");
    } catch (error) {
      if (error.name === "AbortError") continue;
      tell(`This page is no longer kept up to date: ${error instanceof TypeError ? "ffnn does not answer." : error.message}`);
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  }
}

function replaceParts(body) {
  const fresh = new DOMParser().parseFromString(body, "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = document.querySelector(`[data-part=${part.dataset.part}]`);
    const open = old.querySelector("details")?.open;
    if (open !== undefined && part.querySelector("details")) part.querySelector("details").open = open;
    if (old.tagName === "TBODY") update(old, [...part.children]);
    else if (old.outerHTML !== part.outerHTML) old.replaceWith(part);
  }
}
