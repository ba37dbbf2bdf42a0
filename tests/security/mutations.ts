import fc from 'fast-check';

/** Marks a number that JSON.stringify cannot write. `toText` writes it without the quotes. */
const raw = (token: string) => `<raw ${token}>`;

/** Texts that cause faults in databases, logs, shells and date parsers. */
export const hostileTexts = [
  '',
  '\u0000',
  '\ud800',
  '\udc00\ud800',
  '\u202e\u2028\ufeff',
  'a\u200db',
  '\u2800',
  '..',
  'e\u0301',
  '\u{10ffff}',
  "'; DROP TABLE events; --",
  '../../../../etc/passwd',
  '${jndi:ldap://127.0.0.1:9/x}',
  '{"a":1}',
  'constructor',
  'landfall:resolution:1',
  '2026-02-30T00:00:00Z',
  '2016-12-31t23:59:60.5z',
  '+275760-09-13T00:00:00Z',
  'x'.repeat(201),
  'x'.repeat(9_000),
];
const numbers = [0, -0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 2 ** 63, 1e308, 5e-324];
const tokens = ['1e400', '-1e400', '123456789012345678901234567890', '0.1e-999', '-0.0'];
const keys = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  'toJSON',
  'length',
  '',
  '0',
  'a.b',
  '\u0000',
  '\udfff',
  'tenant',
  'identityKey',
  'clientRequestId',
  'x'.repeat(5_000),
];

const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    [],
    {},
    ...numbers,
    ...tokens.map(raw),
    ...hostileTexts,
  ),
  fc.constant({ prototype: { admin: true } }),
  fc.integer({ min: 1, max: 60 }).map(nest),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.double(),
);

function nest(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 ? [value] : { a: value };
  return value;
}

interface Mutation {
  /** The index of the node, counted from the root, modulo the number of nodes. */
  readonly at: number;
  readonly how: 'replace' | 'spoil' | 'remove' | 'rename' | 'add' | 'repeat' | 'wrap';
  readonly value: unknown;
  readonly key: string;
  /** The replacements by `spoil`. They keep the type of the value. */
  readonly text: string;
  readonly number: unknown;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(60),
  how: fc.constantFrom('replace', 'spoil', 'spoil', 'remove', 'rename', 'add', 'repeat', 'wrap'),
  value: hostile,
  key: fc.constantFrom(...keys),
  text: fc.constantFrom(...hostileTexts),
  number: fc.constantFrom<unknown>(...numbers, ...tokens.map(raw)),
});

/** The JSON text of a value with one to three mutations. */
export function mutated(values: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  return fc
    .tuple(values, fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([value, mutations]) => toText(mutations.reduce<unknown>(mutate, value)))
    .chain((text) =>
      fc.oneof({ weight: 9, arbitrary: fc.constant(text) }, fc.nat().map(duplicateMember(text))),
    );
}

/** Duplicates a member in the text. No JavaScript value has duplicate members. */
function duplicateMember(text: string): (which: number) => string {
  const members = [...text.matchAll(/[{,]("[^"\\]*":)/g)];
  return (which) => {
    const member = members[which % members.length];
    if (!member) return text;
    const at = member.index + 1;
    return `${text.slice(0, at)}${member[1]}0,${text.slice(at)}`;
  };
}

/** The JSON text of a value, with the marked numbers. */
function toText(value: unknown): string {
  return (JSON.stringify(value) ?? '').replaceAll(/"<raw ([^">]+)>"/g, '$1');
}

function mutate(value: unknown, change: Mutation): unknown {
  const at = change.at % count(value);
  return at === 0 ? changeNode(value, change) : changeBelow(value, { ...change, at: at - 1 });
}

function count(value: unknown): number {
  return 1 + children(value).reduce((sum, [, child]) => sum + count(child), 0);
}

function children(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

/** Rebuilds an object or a list. Object.fromEntries also creates an own property `__proto__`. */
function rebuild(original: unknown, entries: readonly [string, unknown][]): unknown {
  return Array.isArray(original) ? entries.map(([, child]) => child) : Object.fromEntries(entries);
}

function changeNode(value: unknown, change: Mutation): unknown {
  const { how, key, value: other } = change;
  if (how === 'wrap') return [value];
  if (how === 'spoil' && typeof value === 'string') return change.text;
  if (how === 'spoil' && typeof value === 'number') return change.number;
  if (how === 'add' && typeof value === 'object' && value !== null) {
    return rebuild(value, [...children(value), [key, other]]);
  }
  return other;
}

function changeBelow(value: unknown, change: Mutation): unknown {
  let { at } = change;
  return rebuild(
    value,
    children(value).flatMap(([name, child]): [string, unknown][] => {
      const size = count(child);
      const here = at;
      at -= size;
      if (here < 0 || here >= size) return [[name, child]];
      if (here > 0) return [[name, mutate(child, { ...change, at: here })]];
      if (change.how === 'remove') return [];
      if (change.how === 'rename') return [[change.key, child]];
      if (change.how === 'repeat')
        return [
          [name, child],
          [name, child],
        ];
      return [[name, changeNode(child, change)]];
    }),
  );
}

/** The bytes with some removed, added or replaced. */
export function corrupted(bodies: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const place = fc.nat(1_000_000);
  const some = fc.uint8Array({ maxLength: 4 });
  return fc.tuple(bodies, place, fc.nat(3), some).map(([body, where, gone, more]) => {
    const at = where % (body.length + 1);
    return Buffer.concat([body.subarray(0, at), more, body.subarray(at + gone)]);
  });
}
