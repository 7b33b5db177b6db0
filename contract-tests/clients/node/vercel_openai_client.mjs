// Vercel's `ai` 6 with `@ai-sdk/openai`, over its chat API.

import { createOpenAI } from "@ai-sdk/openai";
import * as ai from "ai";

import { main } from "./scenarios.mjs";
import { vercelScenarios } from "./vercel_scenarios.mjs";

await main("@ai-sdk/openai", (baseURL, apiKey, model) =>
  vercelScenarios(ai, (name) => createOpenAI({ baseURL, apiKey }).chat(name), model),
);
