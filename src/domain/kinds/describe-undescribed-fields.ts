import type { z } from 'zod';

/**
 * The first thing that a schema found, for the log: by names that the schema itself has. Names of fields in
 * a record may be a client's own, and no line of the log holds those.
 */
export function describeUndescribedFields(
  schema: z.ZodType,
  { issues: [issue] }: z.ZodError,
): string {
  if (!issue) throw new Error('zod refused a value without an issue');
  const path = ownPath(schema, issue.path);
  const message = issue.code === 'unrecognized_keys' ? 'has a field too many' : issue.message;
  return path === '' ? message : `${path}: ${message}`;
}

function ownPath(schema: z.ZodType, path: readonly PropertyKey[]): string {
  const names: string[] = [];
  let inner: z.ZodType | undefined = schema;
  for (const name of path) {
    inner = inner && childOf(inner, name);
    if (!inner) return [...names, '…'].join('.');
    names.push(String(name));
  }
  return names.join('.');
}

/** Undefined where the schema has no name of its own for it. */
function childOf(schema: z.ZodType, name: PropertyKey): z.ZodType | undefined {
  const { shape, element, innerType, in: input } = schema._zod.def as Definition;
  if (shape) return Object.hasOwn(shape, name) ? shape[String(name)] : undefined;
  if (element) return element;
  const within = innerType ?? input;
  return within && childOf(within, name);
}

/** Of the schemas of zod that hold others. */
interface Definition {
  /** Of an object. */
  readonly shape?: { readonly [name: string]: z.ZodType };
  /** Of an array. */
  readonly element?: z.ZodType;
  /** Of optional, nullable, default and their like. */
  readonly innerType?: z.ZodType;
  /** Of a pipe, such as a transform makes. */
  readonly in?: z.ZodType;
}
