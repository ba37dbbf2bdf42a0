import type { EventFailure } from '../errors.ts';
import type { Kind, Interpretation } from '../kinds/define-kind.ts';
import { versionSchema } from '../event.ts';
import { describeFirstIssue } from '../schema-issue.ts';
import { identifierRule, identifierSchema } from '../identifier.ts';
import { entitiesOf, type BlockedScope } from './entities-of-event.ts';
import { kindFailedFailure } from './outcome.ts';

export type PayloadResult =
  | { readonly ok: true; readonly meaning: Interpretation }
  | {
      readonly ok: false;
      readonly failure: EventFailure;
      /** What the kind's own code threw, for the log. */
      readonly fault?: unknown;
      readonly holdsBack?: BlockedScope;
    };

/**
 * What a kind makes of a payload. A kind is somebody else's code: where it throws, that event fails,
 * and not its batch; and what it names is checked like what a client names.
 *
 * @param version one of 1..newestVersion
 */
export function interpretPayload(kind: Kind, version: number, payload: unknown): PayloadResult {
  const result = kind.interpret(version, payload);
  if (result.ok) {
    const { meaning } = result;
    return checkNames(kind, meaning) ?? checkBase(meaning) ?? { ok: true, meaning };
  }
  if (result.error) return invalid(describeFirstIssue(result.error, 'payload'));
  const { fault, entityId } = result;
  const { name, entityType } = kind;
  // A kind may be plain JavaScript, and an id of it no text.
  const holdsBack =
    typeof entityId === 'string' ? { entityType, entityId } : { entityTypes: [entityType] };
  return { ok: false, failure: kindFailedFailure(name), fault, holdsBack };
}

/** Each is loaded for the event, under the tenant's lock. */
const maxReads = 100;

/** Keys of the database and of every answer, whatever the kind's own schema lets through. */
function checkNames(kind: Kind, { entityId, intent }: Interpretation): PayloadResult | undefined {
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

function checkBase({ baseVersion }: Interpretation): PayloadResult | undefined {
  if (baseVersion === undefined || versionSchema.safeParse(baseVersion).success) return undefined;
  const message = 'the version that it was made on must be an integer, 0 or more';
  return invalid({ message, path: 'payload' });
}

function invalid(issue: Pick<EventFailure, 'message' | 'path'>): PayloadResult {
  return { ok: false, failure: { code: 'INVALID_PAYLOAD', ...issue } };
}
