import { pushEnvelopeSchema } from './push.ts';
import { parseEnvelope } from './request.ts';
import { type Dialect, plainSpelling } from './dialect.ts';

/** The protocol's own words. */
export const plain: Dialect = {
  name: 'plain',
  // On whatever there is.
  kinds: [],
  isWrittenIn: () => true,
  envelopeOf: (body) => parseEnvelope(pushEnvelopeSchema, body),
  read: (raw) => ({ ...plainSpelling, ok: true, event: raw }),
  answerOf: (answer) => answer,
  described: { schemas: {} },
};
