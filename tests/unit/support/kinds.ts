import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';

/** Its first clients sent one name, the next ones two; the newest also say which language. */
const personVersions = payload(z.strictObject({ id: z.string(), name: z.string() }))
  .next(z.strictObject({ id: z.string(), first: z.string(), last: z.string() }), (older) => {
    const [first = '', last = ''] = older.name.split(' ');
    return { id: older.id, first, last };
  })
  .next(
    z.strictObject({
      id: z.string(),
      first: z.string(),
      last: z.string().min(1),
      language: z.string(),
    }),
    (older) => ({ ...older, language: 'en' }),
  );

export const personPut = defineKind({
  name: 'person.put',
  entityType: 'person',
  payload: personVersions,
  entityId: ({ id }) => id,
  policy: put(({ first, last, language }) => ({ first, last, language })),
});

/** Taken in the order of its sequence only. */
export const stepPut = defineKind({
  name: 'step.put',
  entityType: 'step',
  payload: payload(z.strictObject({ id: z.string() })),
  entityId: ({ id }) => id,
  policy: put(() => ({})),
  ordered: true,
});
