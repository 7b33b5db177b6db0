// `openai` for Node, release 7.

import OpenAI from "openai-7";
import { zodResponseFormat } from "openai-7/helpers/zod";

import { openaiScenarios } from "./openai_scenarios.mjs";
import { main } from "./scenarios.mjs";

await main("openai-7", (...where) => openaiScenarios(OpenAI, zodResponseFormat, ...where));
