// Vercel's `ai` 7 with `@ai-sdk/openai-compatible`.

import { createOpenAICompatible } from "ai-sdk-openai-compatible-3";
import * as ai from "ai-7";

import { main } from "./scenarios.mjs";
import { vercelScenarios } from "./vercel_scenarios.mjs";

await main("ai-sdk-openai-compatible-3", (baseURL, apiKey, model) => {
  const provider = createOpenAICompatible({
    name: "aqueduct",
    baseURL,
    apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
  return vercelScenarios(ai, (name) => provider(name), model);
});
