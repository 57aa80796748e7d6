import Anthropic from "@anthropic-ai/sdk";
import { failure, failureOfStream, report } from "./cases.mjs";

const { BASE_URL, KEY, TEST_KEY } = process.env;
const model = "anthropic/claude-sonnet-5";
const make = (options) => new Anthropic({ baseURL: `${BASE_URL}/api`, apiKey: KEY, maxRetries: 0, timeout: 20_000, ...options });
const client = make({});
const asking = (content, members) => ({ model, max_tokens: 100, messages: [{ role: "user", content }], ...members });
const tools = [{ name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } }];

await report({
  async message() {
    const { data, response, request_id } = await client.messages.create(asking("chat")).withResponse();
    return { data, generation: response.headers.get("x-generation-id"), request: request_id };
  },

  async root() {
    const bearer = make({ baseURL: BASE_URL, apiKey: null, authToken: KEY });
    return (await bearer.messages.create(asking("chat"))).content[0].text;
  },

  async sandbox() {
    const reply = await make({ apiKey: TEST_KEY }).messages.create(asking("Hello there", { model: "sandbox/echo" }));
    return reply.content[0].text;
  },

  async stream() {
    const kinds = [];
    for await (const event of await client.messages.create(asking("stream", { stream: true }))) kinds.push(event.type);
    return kinds;
  },

  async helper() {
    const stream = client.messages.stream(asking("stream"));
    const final = await stream.finalMessage();
    return { text: final.content[0].text, usage: final.usage };
  },

  async tools() {
    const first = await client.messages.create(asking("tools", { tools }));
    const results = first.content.map((block) => ({ type: "tool_result", tool_use_id: block.id, content: "sunny ☀" }));
    const messages = [
      { role: "user", content: "tools" },
      { role: "assistant", content: first.content },
      { role: "user", content: results },
    ];
    const second = await client.messages.create({ model, max_tokens: 100, messages, tools });
    return { calls: first.content, answer: second.content[0].text };
  },

  async counted() {
    return (await client.messages.countTokens({ model, messages: [{ role: "user", content: "chat" }] })).input_tokens;
  },

  async errors() {
    return {
      key: await failure(make({ apiKey: "not-a-key" }).messages.create(asking("chat"))),
      model: await failure(client.messages.create(asking("chat", { model: "nobody/nothing" }))),
      body: await failure(client.messages.create({ model, max_tokens: 9 })),
      limit: await failure(client.messages.create(asking("limit"))),
      server: await failure(client.messages.create(asking("server"))),
    };
  },

  async cut() {
    return failureOfStream(client.messages.create(asking("cut", { stream: true })));
  },
});
