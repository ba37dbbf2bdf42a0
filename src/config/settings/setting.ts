import { z } from 'zod';

/** One environment variable that the service reads. This is the only definition of the setting. */
export interface Setting<Value = unknown> {
  readonly variable: string;
  /** Reads the text of the variable, or undefined where the variable is not set. */
  readonly schema: z.ZodType<Value>;
  /** The default in Markdown, for people. */
  readonly defaultText: string;
  /** What a number counts. Undefined where the value is not a number. */
  readonly unit: string | undefined;
  /** One sentence of Markdown without links: what the setting does. */
  readonly summary: string;
  /** Further sentences of Markdown. Links are relative to `docs`. */
  readonly details: string | undefined;
  /** A text that the variable can have. It is empty for a secret. */
  readonly example: string;
}

interface Definition<Value> {
  readonly variable: string;
  readonly schema: z.ZodType<Value>;
  readonly unit?: string;
  readonly summary: string;
  readonly details?: string;
}

/** Declares a setting whose default is a text that the variable could have. */
export function setting<Value>({
  schema,
  default: text,
  unit,
  details,
  ...rest
}: Definition<Value> & { readonly default: string }): Setting<Value> {
  return {
    ...rest,
    ...{ unit, details, example: text, defaultText: `\`${text}\`` },
    schema: schema.prefault(text),
  };
}

interface OptionalDefinition<Value, Unset> extends Definition<Value> {
  /** The value where the variable is not set. Undefined where it depends on other settings. */
  readonly whenUnset: Unset;
  /** `none` by default. */
  readonly defaultText?: string;
  readonly example: string;
}

/** Declares a setting whose default no text can express, such as "no limit". */
export function optionalSetting<Value, const Unset>({
  schema,
  whenUnset,
  defaultText = 'none',
  unit,
  details,
  ...rest
}: OptionalDefinition<Value, Unset>): Setting<Value | Unset> {
  return {
    ...rest,
    ...{ unit, details, defaultText },
    schema: schema.optional().transform((value) => (value === undefined ? whenUnset : value)),
  };
}

/** Settings by the name that their value has in `Config`. Groups may stand in groups. */
export interface SettingTree {
  readonly [member: string]: Setting | SettingTree;
}

/** The values of the settings of a tree, in the same shape. */
export type ValuesOf<Tree extends SettingTree> = {
  readonly [Member in keyof Tree]: Tree[Member] extends Setting<infer Value>
    ? Value
    : Tree[Member] extends SettingTree
      ? ValuesOf<Tree[Member]>
      : never;
};

/** All settings of a tree, in the order of their declaration. */
export function listSettings(tree: SettingTree): readonly Setting[] {
  return Object.values(tree).flatMap((node) => (isSetting(node) ? [node] : listSettings(node)));
}

/**
 * A schema of environments that reads the settings of a tree.
 *
 * @param check reports what only several settings together can get wrong
 */
export function environmentSchema<const Tree extends SettingTree>(
  tree: Tree,
  check: (values: ValuesOf<Tree>, report: ReportProblem) => void,
) {
  const shape = listSettings(tree).map(({ variable, schema }) => [variable, schema] as const);
  return z
    .object(Object.fromEntries(shape))
    .superRefine((values, context) =>
      check(toTree(tree, values), ({ variable }, message) =>
        context.addIssue({ code: 'custom', path: [variable], message }),
      ),
    )
    .transform((values) => toTree(tree, values));
}

/** Reports a problem of one setting. The message follows the name of its variable. */
export type ReportProblem = (setting: Setting, message: string) => void;

function toTree<Tree extends SettingTree>(
  tree: Tree,
  values: { readonly [variable: string]: unknown },
): ValuesOf<Tree> {
  const members = Object.entries(tree).map(([member, node]) => [
    member,
    isSetting(node) ? values[node.variable] : toTree(node, values),
  ]);
  return Object.fromEntries(members);
}

function isSetting(node: Setting | SettingTree): node is Setting {
  return 'variable' in node;
}
