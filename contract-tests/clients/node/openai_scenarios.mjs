// What an application does with `openai` for Node, in any release: its tool runner, structured outputs and streams.

import { z } from "zod";

import { HELLO, QUESTION, refusal, RESULTS, UNKNOWN_MODEL } from "./scenarios.mjs";

const Forecast = z.object({ city: z.string(), degrees: z.number() });

export function openaiScenarios(OpenAI, zodResponseFormat, baseURL, apiKey, model) {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

  function tool(name, argument, called) {
    const parameters = { type: "object", properties: { [argument]: { type: "string" } }, required: [argument] };
    const run = (given) => {
      called.push(`${name} ${given[argument]}`);
      return RESULTS[name];
    };
    return { type: "function", function: { name, description: name, parameters, parse: JSON.parse, function: run } };
  }

  async function loop(stream) {
    const called = [];
    const tools = [tool("get_weather", "city", called), tool("get_time", "zone", called)];
    const runner = client.chat.completions.runTools({
      model,
      max_tokens: 200,
      messages: [{ role: "system", content: "Be brief." }, { role: "user", content: QUESTION }],
      tools,
      ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
    });
    const text = await runner.finalContent();
    const usage = await runner.totalUsage();
    return { called: called.sort(), text, usage: usage.total_tokens };
  }

  async function streamed() {
    const pieces = [];
    const stream = client.chat.completions.stream({
      model,
      messages: [{ role: "user", content: HELLO }],
      stream_options: { include_usage: true },
    });
    stream.on("content", (piece) => pieces.push(piece));
    const whole = await stream.finalChatCompletion();
    return { text: whole.choices[0].message.content, pieces: pieces.length, usage: whole.usage.total_tokens };
  }

  return {
    recording: streamed,
    tools: () => loop(false),
    "streamed tools": () => loop(true),
    "structured natively": async () => {
      const answer = await client.chat.completions.parse({
        model,
        max_tokens: 200,
        messages: [{ role: "user", content: "The weather, please." }],
        response_format: zodResponseFormat(Forecast, "forecast"),
      });
      return { value: answer.choices[0].message.parsed };
    },
    stream: streamed,
    refusal: () =>
      refusal(() =>
        client.chat.completions.create({ model: UNKNOWN_MODEL, messages: [{ role: "user", content: HELLO }] }),
      ),
  };
}
