// Vercel's `ai` 6 with `@ai-sdk/openai-compatible`.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import * as ai from "ai";

import { main } from "./scenarios.mjs";
import { vercelScenarios } from "./vercel_scenarios.mjs";

await main("@ai-sdk/openai-compatible", (baseURL, apiKey, model) => {
  const provider = createOpenAICompatible({
    name: "aqueduct",
    baseURL,
    apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
  return vercelScenarios(ai, (name) => provider(name), model);
});
