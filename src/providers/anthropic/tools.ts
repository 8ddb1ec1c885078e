import type Anthropic from '@anthropic-ai/sdk';
import { type ChatBody, isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { withCacheControl } from './content.ts';

/** The function tools of a request. Tools of other types are left out. */
export function toTools(tools: unknown): Anthropic.Tool[] {
  return Array.isArray(tools) ? tools.map(toTool).filter((tool) => tool !== null) : [];
}

export function hasStrictTool(tools: unknown): boolean {
  return toTools(tools).some(({ strict }) => strict === true);
}

function toTool(tool: unknown): Anthropic.Tool | null {
  if (!isJsonObject(tool) || !isJsonObject(tool.function) || typeof tool.function.name !== 'string') return null;
  const { name, description, parameters, strict } = tool.function;
  const result: Anthropic.Tool = { name, input_schema: toInputSchema(parameters) };
  if (typeof description === 'string' && description !== '') result.description = description;
  if (typeof strict === 'boolean') result.strict = strict;
  return withCacheControl(withCacheControl(result, tool.function), tool);
}

/** The schema as it is, `$defs` and `additionalProperties` included; a function without parameters takes none. */
function toInputSchema(parameters: unknown): Anthropic.Tool.InputSchema {
  const schema: JsonObject = isJsonObject(parameters) ? parameters : { properties: {} };
  return { ...schema, type: 'object' };
}

/** `tool_choice` and `parallel_tool_calls` in one; undefined leaves the choice to the model. Only for use with tools. */
export function toToolChoice(body: ChatBody): Anthropic.ToolChoice | undefined {
  const choice = readChoice(body.tool_choice);
  if (body.parallel_tool_calls !== false || choice?.type === 'none') return choice;
  return { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true };
}

/** Undefined for choices that Anthropic does not know. */
export function readChoice(choice: unknown): Anthropic.ToolChoice | undefined {
  if (choice === 'auto' || choice === 'none') return { type: choice };
  if (choice === 'required') return { type: 'any' };
  if (!isJsonObject(choice) || !isJsonObject(choice.function)) return undefined;
  const { name } = choice.function;
  return typeof name === 'string' ? { type: 'tool', name } : undefined;
}
