import { describe, expect, test } from 'vitest';
import { RefusedError, UnavailableError } from '../outbox/request.ts';
import { type GatewayHandler, problem } from './gateway.ts';
import {
  attempts,
  codes,
  notes,
  open,
  openBehindGateway,
  patch,
  put,
  putMany,
  serverLog,
  serverNotes,
  startAnother,
  useOutboxes,
} from './outbox-harness.ts';

useOutboxes();

/** Refuses each request that contains a poisoned event, as a firewall does that reads bodies. */
const poisoned =
  (refuse: () => Response): GatewayHandler =>
  ({ body, forward }) =>
    body.includes('poison') ? refuse() : forward();

const textOnly = (status: number) => new Response('refused', { status });

describe('only the event that makes its requests fail is given up, and all others are sent:', () => {
  const refusals: [string, () => Response, string | undefined][] = [
    ...['TOO_DEEP', 'INVALID_JSON', 'INVALID_UTF8', 'A_CODE_OF_TOMORROW'].map(
      (code): [string, () => Response, string] => [code, () => problem(400, code), code],
    ),
    ['BODY_TOO_LARGE', () => problem(413, 'BODY_TOO_LARGE'), 'BODY_TOO_LARGE'],
    // From a firewall or a proxy.
    ...[400, 406, 409, 413, 422, 451].map((status): [string, () => Response, undefined] => [
      `${status} without a code`,
      () => textOnly(status),
      undefined,
    ]),
    ['null for a problem', () => Response.json(null, { status: 400 }), undefined],
  ];
  test.each(refusals)('%s', async (_, refuse, code) => {
    const laptop = await openBehindGateway('laptop', poisoned(refuse));
    putMany(laptop, 60);
    const key = laptop.enqueue(patch('n7', { body: 'poison' }));
    laptop.enqueue(patch('n7', { title: 'made after it' }));
    await laptop.sync();
    expect(laptop.pending()).toEqual([]);
    expect(laptop.failed().map(({ event }) => event.identityKey)).toEqual([key]);
    expect(codes(laptop.failed())).toEqual([code]);
    expect(notes(laptop)).toMatchObject({ n7: { title: 'made after it', body: '' } });
    expect(Object.keys(await serverNotes())).toHaveLength(60);
  });
});

test('only the poisoned events are given up, at both ends of the queue and side by side', async () => {
  const laptop = await openBehindGateway(
    'laptop',
    poisoned(() => textOnly(400)),
  );
  const isPoisoned = (i: number) => [0, 20, 21, 22, 50, 69].includes(i);
  for (let i = 0; i < 70; i += 1) laptop.enqueue(put(`n${i}`, isPoisoned(i) ? 'poison' : 'well'));
  await laptop.sync();
  expect(laptop.pending()).toEqual([]);
  expect(laptop.failed()).toHaveLength(6);
  expect(Object.keys(await serverNotes())).toHaveLength(64);
});

test('events that the service itself refuses do not stop the others', async () => {
  const small = await startAnother({ MAX_BODY_BYTES: '80000' });
  const laptop = open('laptop', { url: small.url });
  const poison = [
    // Too large for a request, too large for an event, and 40 levels deep.
    put('n0', 'large', 'x'.repeat(100_000)),
    put('n1', 'large', 'x'.repeat(70_000)),
    { kind: 'note.put', payload: { noteId: 'n2', deep: nested(40) } },
    { kind: 'note.put', payload: JSON.parse('{ "noteId": "n3", "__proto__": { "x": 1 } }') },
    { kind: 'note.put', payload: { noteId: 'n4', title: '\u{D800}', body: '' } },
  ];
  const keys = poison.map((edit, i) => {
    laptop.enqueue(put(`before-${i}`));
    return laptop.enqueue(edit);
  });
  laptop.enqueue(put('last'));
  await laptop.sync();
  expect(laptop.pending()).toEqual([]);
  expect(laptop.failed().map(({ event }) => event.identityKey)).toEqual(keys);
  expect(Object.keys(await serverNotes())).toHaveLength(poison.length + 1);
});

function nested(levels: number): unknown {
  return levels === 0 ? 'poison' : [nested(levels - 1)];
}

describe('a refusal that has no event as its cause gives up none:', () => {
  const refusals: [string, () => Response][] = [
    ...[401, 402, 403, 404, 405, 410, 411, 415, 421, 426, 428, 431].map(
      (status): [string, () => Response] => [String(status), () => textOnly(status)],
    ),
    ...['INVALID_ENVELOPE', 'INVALID_QUERY', 'INVALID_BODY', 'MALFORMED_REQUEST'].map(
      (code): [string, () => Response] => [code, () => problem(400, code)],
    ),
  ];
  test.each(refusals)('%s', async (_, refuse) => {
    const onPush: GatewayHandler = ({ method, forward }) =>
      method === 'POST' ? refuse() : forward();
    const laptop = await openBehindGateway('laptop', onPush);
    putMany(laptop, 3);
    await expect(laptop.sync()).rejects.toThrow(RefusedError);
    expect(attempts(laptop.pending())).toEqual([0, 0, 0]);
  });

  test('any 4xx, if another server than Landfall answers at the address', async () => {
    const laptop = await openBehindGateway('laptop', () => textOnly(400));
    putMany(laptop, 3);
    await expect(laptop.sync()).rejects.toThrow(RefusedError);
    expect(attempts(laptop.pending())).toEqual([0, 0, 0]);
  });

  test.each([408, 425, 429])('%s, after which the device sends the same again', async (status) => {
    let isEarly = true;
    const laptop = await openBehindGateway('laptop', ({ forward }) =>
      isEarly ? textOnly(status) : forward(),
    );
    putMany(laptop, 3);
    await expect(laptop.sync()).rejects.toThrow(UnavailableError);
    isEarly = false;
    await laptop.sync();
    expect(await serverLog()).toHaveLength(3);
  });
});

test('JSON that is not the answer of a push leaves the queue as it is', async () => {
  const laptop = await openBehindGateway('laptop', () =>
    Response.json({ welcome: 'to our hotel' }),
  );
  putMany(laptop, 3);
  await expect(laptop.sync()).rejects.toThrow(UnavailableError);
  expect(attempts(laptop.pending())).toEqual([0, 0, 0]);
});
