// A live page: ffnn serves its document as the store grows.

const WAIT = 1000; // milliseconds from one answer to the next question

let wake = () => {}; // asks at once
const pause = () => new Promise((done) => { wake = done; setTimeout(done, WAIT); });

// ``question`` returns what of the document is asked for, the query of its address.
async function follow(address, question = () => "") {
  let version = "";
  for (;;) {
    await pause();
    if (document.hidden) continue;
    try {
      const answer = await fetch(address + question(), { headers: { "If-None-Match": version }, cache: "no-store" });
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(await answer.text());
        const received = await answer.json();
        await refresh(received.data, received.body);
        version = answer.headers.get("ETag");
      }
      byId("stopped").hidden = true;
    } catch (error) {
      const why = error instanceof TypeError ? "ffnn does not answer." : error.message;
      byId("stopped").textContent = `This page is no longer kept up to date: ${why}`;
      byId("stopped").hidden = false;
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
