// Server-sent events out of a reply's body: WHATWG HTML, section 9.2.6, as far as it is needed here.

/** Gives `{event, data}` for each event, in their order. */
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const read = readBlock(block);
      if (read.data) yield read;
    }
  }
}

function readBlock(block) {
  let event = "message";
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (name === "event") event = value;
    if (name === "data") data.push(value ?? "");
  }
  return { event, data: data.join("\n") };
}
