// Vercel's `ai` 7 with `@ai-sdk/openai`, over its chat API.

import { createOpenAI } from "ai-sdk-openai-4";
import * as ai from "ai-7";

import { main } from "./scenarios.mjs";
import { vercelScenarios } from "./vercel_scenarios.mjs";

await main("ai-sdk-openai-4", (baseURL, apiKey, model) =>
  vercelScenarios(ai, (name) => createOpenAI({ baseURL, apiKey }).chat(name), model),
);
