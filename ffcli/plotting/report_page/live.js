// A live page: ffnn serves the document of the sweep as it grows.

const WAIT = 1000; // milliseconds from one answer to the next question

async function follow(address) {
  let version = "";
  for (;;) {
    await new Promise((done) => setTimeout(done, WAIT));
    if (document.hidden) continue;
    try {
      const answer = await fetch(address, { headers: { "If-None-Match": version }, cache: "no-store" });
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(answer.statusText);
        const received = await answer.json();
        version = answer.headers.get("ETag");
        await refresh(received.data, received.body);
      }
      byId("stopped").hidden = true;
    } catch {
      byId("stopped").hidden = false;
    }
  }
}
