import type { EventFailure } from '../errors.ts';
import type { Kind, Meaning } from '../kinds/define-kind.ts';
import { versionSchema } from '../event.ts';
import { describeFirst } from '../schema-issue.ts';
import { identifierRule, identifierSchema } from '../identifier.ts';
import { entitiesOf, type HeldBack } from './entities.ts';
import { kindFailure } from './outcome.ts';

export type PayloadReading =
  | { readonly ok: true; readonly meaning: Meaning }
  | {
      readonly ok: false;
      readonly failure: EventFailure;
      /** What the kind's own code threw, for the log. */
      readonly fault?: unknown;
      readonly holdsBack?: HeldBack;
    };

/**
 * What a kind makes of a payload. A kind is somebody else's code: where it throws, that event fails,
 * and not its batch; and what it names is checked like what a client names.
 *
 * @param version one of 1..newestVersion
 */
export function readPayload(kind: Kind, version: number, payload: unknown): PayloadReading {
  const result = kind.interpret(version, payload);
  if (result.ok) {
    const { meaning } = result;
    return checkNames(kind, meaning) ?? checkBase(meaning) ?? { ok: true, meaning };
  }
  if (result.error) return invalid(describeFirst(result.error, 'payload'));
  const { fault, entityId } = result;
  const { name, entityType } = kind;
  // A kind may be plain JavaScript, and an id of it no text.
  const holdsBack =
    typeof entityId === 'string' ? { entityType, entityId } : { entityTypes: [entityType] };
  return { ok: false, failure: kindFailure(name), fault, holdsBack };
}

/** Each is loaded for the event, under the tenant's lock. */
const maxReads = 100;

/** Keys of the database and of every answer, whatever the kind's own schema lets through. */
function checkNames(kind: Kind, { entityId, intent }: Meaning): PayloadReading | undefined {
  const named = entitiesOf({ entityType: kind.entityType, entityId }, intent);
  if (named.length > maxReads + 1) {
    const message = `${kind.name} would read ${named.length - 1} records, at most ${maxReads}`;
    return invalid({ message, path: 'payload' });
  }
  const bad = named.find((entity) => !identifierSchema.safeParse(entity.entityId).success);
  if (!bad) return undefined;
  const message = `the id of a ${bad.entityType} must be ${identifierRule}`;
  return invalid({ message, path: 'payload' });
}

function checkBase({ baseVersion }: Meaning): PayloadReading | undefined {
  if (baseVersion === undefined || versionSchema.safeParse(baseVersion).success) return undefined;
  const message = 'the version that it was made on must be an integer, 0 or more';
  return invalid({ message, path: 'payload' });
}

function invalid(issue: Pick<EventFailure, 'message' | 'path'>): PayloadReading {
  return { ok: false, failure: { code: 'INVALID_PAYLOAD', ...issue } };
}
