// `openai` for Node, release 6.

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";

import { openaiScenarios } from "./openai_scenarios.mjs";
import { main } from "./scenarios.mjs";

await main("openai", (...where) => openaiScenarios(OpenAI, zodResponseFormat, ...where));
