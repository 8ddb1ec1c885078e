import type Anthropic from '@anthropic-ai/sdk';
import { type ChatBody, isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { withCacheControl } from './content.ts';

/**
 * The function tools of a request, or the subset of them that OpenAI's `allowed_tools` lists. Tools of other types are
 * left out.
 */
export function toTools({ tools, tool_choice }: ChatBody): Anthropic.Tool[] {
  const allowed = allowedNames(tool_choice);
  return functionTools(tools).filter(({ name }) => allowed === null || allowed.has(name));
}

/** True when all tools are functions, the only type that can be translated for Anthropic. */
export function areFunctions(tools: unknown): boolean {
  return Array.isArray(tools) && tools.every((tool) => functionOf(tool) !== null);
}

/** Keywords that Anthropic refuses at the top of a tool's schema, though not further down. */
const UNIONS = ['anyOf', 'oneOf', 'allOf'] as const;

/** Whether a tool can be expressed more plainly. */
export function hasIntricateTool(body: ChatBody): boolean {
  return toTools(body).some(
    ({ strict, input_schema: schema }) => strict === true || UNIONS.some((name) => name in schema),
  );
}

/** The tool without `strict`, and with the unions at the top of its schema as text, so that the model still reads them. */
export function plainTool({ strict: _, input_schema: schema, ...tool }: Anthropic.Tool): Anthropic.Tool {
  const { anyOf, oneOf, allOf, ...others } = schema as JsonObject & Anthropic.Tool.InputSchema;
  const unions = JSON.stringify({ anyOf, oneOf, allOf });
  if (unions === '{}') return { ...tool, input_schema: schema };
  const description = [others.description, unions].filter((text) => typeof text === 'string').join('\n\n');
  return { ...tool, input_schema: { ...others, description } };
}

/**
 * The tools that a conversation has called, by name only. Servers of the Messages API may refuse tool calls in a
 * conversation that declares no tools. Agents send such conversations after a handover to an agent without tools, or
 * when they ask for a final answer.
 */
export function calledTools(messages: readonly Anthropic.MessageParam[]): Anthropic.Tool[] {
  const names = messages.flatMap(({ content }) =>
    typeof content === 'string' ? [] : content.flatMap((block) => (block.type === 'tool_use' ? [block.name] : [])),
  );
  return [...new Set(names)].map((name) => ({ name, input_schema: toInputSchema(null) }));
}

function functionTools(tools: unknown): Anthropic.Tool[] {
  return Array.isArray(tools) ? tools.map(toTool).filter((tool) => tool !== null) : [];
}

/** The names that `allowed_tools` lists; null for any other choice. */
function allowedNames(choice: unknown): ReadonlySet<string> | null {
  const named = allowance(choice)?.tools;
  if (!Array.isArray(named)) return null;
  return new Set(
    named.flatMap((tool: unknown) => {
      const details = isJsonObject(tool) && isJsonObject(tool.function) ? tool.function : tool;
      return isJsonObject(details) && typeof details.name === 'string' ? [details.name] : [];
    }),
  );
}

function allowance(choice: unknown): JsonObject | null {
  if (!isJsonObject(choice) || choice.type !== 'allowed_tools') return null;
  // In the Responses API's format, the list is in the choice itself.
  if (Array.isArray(choice.tools)) return choice;
  return isJsonObject(choice.allowed_tools) ? choice.allowed_tools : null;
}

function toTool(tool: unknown): Anthropic.Tool | null {
  const details = functionOf(tool);
  if (!details) return null;
  const { name, description, parameters, strict } = details;
  const result: Anthropic.Tool = { name, input_schema: toInputSchema(parameters) };
  if (typeof description === 'string' && description !== '') result.description = description;
  if (typeof strict === 'boolean') result.strict = strict;
  return withCacheControl(withCacheControl(result, details), tool as JsonObject);
}

function functionOf(tool: unknown): (JsonObject & { name: string }) | null {
  if (!isJsonObject(tool) || !isJsonObject(tool.function) || typeof tool.function.name !== 'string') return null;
  return tool.function as JsonObject & { name: string };
}

/**
 * The schema unchanged, including `$defs` and `additionalProperties`; without parameters, a schema that accepts none.
 */
function toInputSchema(parameters: unknown): Anthropic.Tool.InputSchema {
  const schema: JsonObject = isJsonObject(parameters) ? parameters : { properties: {} };
  return { ...schema, type: 'object' };
}

/**
 * Combines `tool_choice` and `parallel_tool_calls`; undefined leaves the choice to the model. Only for requests with
 * tools.
 */
export function toToolChoice(body: ChatBody): Anthropic.ToolChoice | undefined {
  const choice = readChoice(body.tool_choice);
  if (body.parallel_tool_calls !== false || choice?.type === 'none') return choice;
  return { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true };
}

/** Undefined for choices that Anthropic does not have. */
export function readChoice(choice: unknown): Anthropic.ToolChoice | undefined {
  if (choice === 'auto' || choice === 'none') return { type: choice };
  if (choice === 'required') return { type: 'any' };
  const allowed = allowance(choice);
  if (allowed) return { type: allowed.mode === 'required' ? 'any' : 'auto' };
  if (!isJsonObject(choice) || !isJsonObject(choice.function)) return undefined;
  const { name } = choice.function;
  return typeof name === 'string' ? { type: 'tool', name } : undefined;
}
