// What an application does with Vercel's `ai`, in any release and whichever provider package carries it.

import { z } from "zod";

import { HELLO, QUESTION, refusal, RESULTS, UNKNOWN_MODEL } from "./scenarios.mjs";

const Forecast = z.object({ city: z.string(), degrees: z.number() });
const COMMON = { maxRetries: 0, maxOutputTokens: 200 };

export function vercelScenarios(ai, chat, name) {
  const { generateText, Output, stepCountIs, streamText, tool } = ai;
  const model = chat(name);

  function tools(called) {
    const make = (name, argument) =>
      tool({
        description: name,
        inputSchema: z.object({ [argument]: z.string() }),
        execute: async (given) => {
          called.push(`${name} ${given[argument]}`);
          return RESULTS[name];
        },
      });
    return { get_weather: make("get_weather", "city"), get_time: make("get_time", "zone") };
  }

  function loop(called) {
    return { ...COMMON, model, system: "Be brief.", prompt: QUESTION, tools: tools(called), stopWhen: stepCountIs(3) };
  }

  async function streamed() {
    const result = streamText({ ...COMMON, model, prompt: HELLO });
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    return { text: pieces.join(""), pieces: pieces.length, usage: (await result.totalUsage).totalTokens };
  }

  return {
    recording: streamed,
    tools: async () => {
      const called = [];
      const result = await generateText(loop(called));
      const finishes = result.steps.map((step) => step.finishReason);
      return { called: called.sort(), text: result.text, usage: result.totalUsage.totalTokens, finishes };
    },
    "streamed tools": async () => {
      const called = [];
      const result = streamText({ ...loop(called), onError: () => {} });
      let text = "";
      for await (const part of result.fullStream) {
        if (part.type === "error") throw part.error;
        if (part.type === "text-delta") text += part.text;
      }
      return { called: called.sort(), text, usage: (await result.totalUsage).totalTokens };
    },
    "structured natively": async () => {
      const output = Output.object({ schema: Forecast });
      return { value: (await generateText({ ...COMMON, model, prompt: "The weather, please.", output })).output };
    },
    "streamed structure": async () => {
      const output = Output.object({ schema: Forecast });
      const result = streamText({ ...COMMON, model, prompt: "The weather, please.", output });
      let value;
      for await (const part of result.partialOutputStream) value = part;
      return { value };
    },
    stream: streamed,
    reasoning: async () => {
      const result = await generateText({ ...COMMON, model, prompt: "[think] Why?" });
      return { reasoning: result.reasoningText, text: result.text };
    },
    refusal: () => refusal(() => generateText({ ...COMMON, model: chat(UNKNOWN_MODEL), prompt: HELLO })),
  };
}
