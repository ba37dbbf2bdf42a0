import type { KindRegistry } from '../domain/kinds/registry.ts';
import { describeDifferences } from '../domain/kinds/schema-differences.ts';
import { listSchemas } from '../domain/kinds/schema-fingerprints.ts';
import type { ChangedSchema, KindSchemaStore } from '../postgres/kind-schemas/kind-schema-store.ts';
import { StartError } from '../config/start-error.ts';

export interface ChangedKindsRules {
  readonly changedKinds: 'refuse' | 'warn';
  readonly log: { warn(fields: object, message: string): void };
}

/**
 * A device that was off for a year sends what it wrote then, and records stay as they were written: a
 * schema that was shipped may not change. So each start compares the schemas with those that the database
 * saw before, and keeps new ones.
 *
 * @throws StartFault where one was changed in place, unless that is only to be warned of
 */
export async function checkShippedSchemas(
  kinds: KindRegistry,
  store: KindSchemaStore,
  { changedKinds, log }: ChangedKindsRules,
): Promise<void> {
  await store.keep(listSchemas(kinds), (changed) => {
    if (changedKinds === 'refuse') throw new StartError(refusalOf(changed));
    for (const one of changed) {
      const { schemaOf, name, version } = one.after;
      const fields = { schemaOf, name, version, differences: differencesOf(one) };
      log.warn({ event: 'kind.changed', ...fields }, 'a shipped schema was changed in place');
    }
  });
}

function refusalOf(changed: readonly ChangedSchema[]): string {
  const [first] = changed;
  if (!first) throw new Error('nothing was changed');
  const { schemaOf, name, version } = first.after;
  const what = schemaOf === 'payload' ? name : `the data of ${name}`;
  const others = changed.length > 1 ? `, and ${changed.length - 1} more of the kinds' schemas` : '';
  return (
    `KINDS: version ${version} of ${what} was changed in place${others} (${differencesOf(first)}): ` +
    'put its schema back and add a version by .next, or accept the change by one start with CHANGED_KINDS=warn'
  );
}

function differencesOf({ before, after }: ChangedSchema): string {
  return describeDifferences(JSON.parse(before.schema), JSON.parse(after.schema));
}
