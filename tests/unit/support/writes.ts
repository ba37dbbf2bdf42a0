import type { SettledWrite } from '../../../src/domain/kinds/policies/policy.ts';
import { canPatch } from '../../../src/domain/kinds/policies/patch.ts';
import { type RecordContent, RecordData } from '../../../src/domain/record-data.ts';
import type { Fields, Write } from '../../../src/domain/kinds/intent.ts';
import type { JsonValue } from '../../../src/domain/json-value.ts';
import type { Stamp } from '../../../src/domain/record.ts';
import { settleWrite } from '../../../src/domain/kinds/policies/last-write-wins.ts';
import { fc } from './property.ts';

export interface Sent {
  readonly write: Write;
  readonly stamp: Stamp;
}

export interface Seen {
  readonly deleted: boolean;
  readonly data: Fields | null;
}

export const put = (stamp: Stamp, fields: Fields, unknown: readonly string[] = []): Sent => ({
  write: { policy: 'put', fields, ...(unknown.length > 0 && { unknown }) },
  stamp,
});
export const patch = (stamp: Stamp, fields: Fields): Sent => ({
  write: { policy: 'patch', fields },
  stamp,
});
export const remove = (stamp: Stamp): Sent => ({ write: { policy: 'remove' }, stamp });

/** As the service does it: a patch before the first put fails, and its client sends it again. */
export function arrive(sent: readonly Sent[]): RecordContent | undefined {
  let record: RecordContent | undefined;
  const waiting: Sent[] = [];
  for (const { write, stamp } of sent) {
    if (write.policy === 'patch' && !canPatch(record)) {
      waiting.push({ write, stamp });
      continue;
    }
    record = stored(settleWrite(record, write, stamp).record);
  }
  if (canPatch(record)) {
    for (const { write, stamp } of waiting)
      record = stored(settleWrite(record, write, stamp).record);
  }
  return record;
}

/** What is left of a record whose tombstone was purged; any other stays as it is. */
export function purged(record: RecordContent | undefined): RecordContent | undefined {
  return record?.deleted ? stored({ ...record, data: null }) : record;
}

/** What becomes of the last of them. */
export function settleLast(...sent: readonly Sent[]): SettledWrite {
  const last = sent.at(-1);
  if (!last) throw new Error('nothing was sent');
  return settleWrite(arrive(sent.slice(0, -1)), last.write, last.stamp);
}

/** A record between two batches is JSON in the database. */
export function stored(record: RecordContent): RecordContent {
  const data = record.data && RecordData.ofText(record.data.text);
  return { ...record, data, clock: JSON.parse(JSON.stringify(record.clock)) };
}

export function seen(record: RecordContent | undefined): Seen | undefined {
  if (!record) return undefined;
  return { deleted: record.deleted, data: record.data && JSON.parse(record.data.text) };
}

/** What the writes come to by definition, without any order of arrival: the greatest wins. */
export function byDefinition(sent: readonly Sent[]): Seen | undefined {
  const puts = sent.filter(({ write }) => write.policy === 'put');
  const removes = sent.filter(({ write }) => write.policy === 'remove');
  const takesEffect = ({ write }: Sent) => write.policy !== 'patch' || puts.length > 0;
  const writes = sent.filter((one) => one.write.policy !== 'remove' && takesEffect(one));
  if (writes.length === 0) return removes.length > 0 ? { deleted: true, data: null } : undefined;

  const newest = (some: readonly Sent[]) => Math.max(...some.map(({ stamp: [time] }) => time));
  const deleted = removes.length > 0 && newest(removes) >= newest(writes);
  const data: Record<string, JsonValue> = {};
  for (const name of new Set(writes.flatMap((one) => Object.keys(fieldsOf(one))))) {
    // A put speaks of every field: of those it does not name, that they are gone. What it does not know
    // it speaks of only where nobody else does.
    const about = writes.filter((one) => one.write.policy === 'put' || name in own(fieldsOf(one)));
    const knowing = about.filter((one) => !unknownOf(one).includes(name));
    const heard = knowing.length > 0 ? knowing : about;
    const winner = heard.reduce((best, one) => (isGreater(one.stamp, best.stamp) ? one : best));
    const value = own(fieldsOf(winner))[name];
    if (value !== undefined) data[name] = value;
  }
  return { deleted, data };
}

function unknownOf({ write }: Sent): readonly string[] {
  return (write.policy === 'put' && write.unknown) || [];
}

function fieldsOf({ write }: Sent): Fields {
  return write.policy === 'remove' ? {} : write.fields;
}

/** Without what every object inherits, such as `constructor`. */
function own(fields: Fields): Fields {
  return Object.assign(Object.create(null), fields);
}

function isGreater([time, key]: Stamp, [otherTime, otherKey]: Stamp): boolean {
  if (time !== otherTime) return time > otherTime;
  // C collation orders by code point; comparing strings in JavaScript orders by UTF-16 unit.
  const [points, others] = [codePoints(key), codePoints(otherKey)];
  const at = points.findIndex((point, index) => point !== others[index]);
  return at === -1 ? false : (points[at] ?? 0) > (others[at] ?? -1);
}

function codePoints(text: string): readonly number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0);
}

/** Few fields and few times, so that most writes meet others; keys that UTF-16 would misorder. */
const fields = (names: readonly string[], minKeys: number) =>
  fc.dictionary(fc.constantFrom(...names), fc.constantFrom(0, 1, 2, null), { minKeys });
const letter = fc.constantFrom('a', 'b', 'é', '\uE000', '\uFFFD', '\u{1F600}', '\u{10FFFF}');
const key = fc.array(letter, { minLength: 1, maxLength: 3 }).map((letters) => letters.join(''));

/** A put of an older payload version, which knows only the first of the fields: its upcast adds the others. */
const olderPut = (stamp: Stamp, names: readonly string[]) =>
  fc
    .tuple(...names.map(() => fc.integer({ min: 0, max: 2 })))
    .map((values) =>
      put(
        stamp,
        Object.fromEntries(names.map((name, at) => [name, values[at] ?? 0])),
        names.slice(1),
      ),
    );

/** A set of writes to one entity, each under a key of its own. */
export const writesTo = (names: readonly string[], withOlderPuts = false) =>
  fc.uniqueArray(
    fc
      .tuple(fc.integer({ min: 1, max: 4 }), key)
      .chain((stamp) =>
        fc.oneof(
          { weight: withOlderPuts ? 2 : 0, arbitrary: olderPut(stamp, names) },
          { weight: 2, arbitrary: fields(names, 0).map((data) => put(stamp, data)) },
          { weight: 3, arbitrary: fields(names, 1).map((data) => patch(stamp, data)) },
          { weight: 1, arbitrary: fc.constant(remove(stamp)) },
        ),
      ),
    { selector: ({ stamp }) => stamp[1], maxLength: 9 },
  );

export const shuffled = <Item>(items: readonly Item[]) =>
  fc.shuffledSubarray([...items], { minLength: items.length });
