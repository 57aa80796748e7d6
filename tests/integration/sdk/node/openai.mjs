import OpenAI from "openai";
import { failure, failureOfStream, report } from "./cases.mjs";

const { BASE_URL, KEY, TEST_KEY } = process.env;
const model = "openai/gpt-4o";
const make = (options) => new OpenAI({ baseURL: `${BASE_URL}/api/v1`, apiKey: KEY, maxRetries: 0, timeout: 20_000, ...options });
const client = make({});
const asking = (content, members) => ({ model, messages: [{ role: "user", content }], ...members });
const tools = [
  {
    type: "function",
    function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } },
  },
];

await report({
  async chat() {
    const { data, response, request_id } = await client.chat.completions.create(asking("chat")).withResponse();
    return { data, generation: response.headers.get("x-generation-id"), request: request_id };
  },

  async alias() {
    return (await make({ baseURL: `${BASE_URL}/v1` }).chat.completions.create(asking("chat"))).model;
  },

  async sandbox() {
    const sandbox = make({ apiKey: TEST_KEY });
    return (await sandbox.chat.completions.create(asking("Hello there", { model: "sandbox/echo" }))).choices[0].message.content;
  },

  async stream() {
    const chunks = [];
    const stream = await client.chat.completions.create(asking("stream", { stream: true, stream_options: { include_usage: true } }));
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  },

  async helper() {
    const runner = client.chat.completions.stream(asking("stream"));
    return (await runner.finalChatCompletion()).choices[0].message.content;
  },

  async tools() {
    const first = await client.chat.completions.create(asking("tools", { tools }));
    const { message } = first.choices[0];
    const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "sunny ☀" }));
    const messages = [{ role: "user", content: "tools" }, message, ...results];
    const second = await client.chat.completions.create({ model, messages, tools });
    return { calls: message.tool_calls, answer: second.choices[0].message.content };
  },

  async streamedTools() {
    const runner = client.chat.completions.stream(asking("streamed tools", { tools }));
    return (await runner.finalChatCompletion()).choices[0].message.tool_calls;
  },

  async embeddings() {
    const reply = await client.embeddings.create({ model: "openai/text-embedding-3-small", input: "packed" });
    return reply.data[0].embedding;
  },

  async models() {
    const listed = [];
    for await (const one of client.models.list()) listed.push(one.id);
    return { listed, retrieved: (await client.models.retrieve(model)).id };
  },

  async errors() {
    return {
      key: await failure(make({ apiKey: "not-a-key" }).chat.completions.create(asking("chat"))),
      model: await failure(client.chat.completions.create(asking("chat", { model: "nobody/nothing" }))),
      body: await failure(client.chat.completions.create({ model })),
      limit: await failure(client.chat.completions.create(asking("limit"))),
      server: await failure(client.chat.completions.create(asking("server"))),
      timeout: await failure(client.chat.completions.create(asking("silence"), { timeout: 300 })),
    };
  },

  async retried() {
    return (await make({ maxRetries: 1 }).chat.completions.create(asking("once"))).choices[0].message.content;
  },

  async cut() {
    return failureOfStream(client.chat.completions.create(asking("cut", { stream: true })));
  },

  async aborted() {
    const stream = await client.chat.completions.create(asking("endless", { stream: true }));
    for await (const chunk of stream) {
      stream.controller.abort();
      return chunk.id;
    }
  },
});
