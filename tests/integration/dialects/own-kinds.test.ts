import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';
import { personPut } from '../../unit/support/kinds.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [personPut] });
});
afterAll(() => service.close());

const payload = { id: 'p1', name: 'Ann Lee' };

test('a service without their kinds takes no event of the other dialects', async () => {
  const post = (url: string, body: object) => service.request({ method: 'POST', url, body });
  const array = [{ kind: 'person.put', payload: { ...payload, identityKey: 'k1' } }];
  expect(await post('/api/sync/events', array)).toMatchObject({
    status: 400,
    body: { code: 'INVALID_ENVELOPE' },
  });
  expect(await post('/api/events', [])).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  const { failed } = await service.push([{ clientRequestId: 'k1', kind: 'person.put', payload }]);
  expect(failed).toMatchObject([{ code: 'INVALID_EVENT' }]);
  expect(failed[0]).not.toHaveProperty('clientRequestId');
  const plain = await service.push([{ identityKey: 'k1', kind: 'person.put', payload }]);
  expect(plain.processed).toEqual(['k1']);
});

test('its API page speaks of its own kinds', async () => {
  const { body } = await service.request({ url: '/docs/json' });
  expect(JSON.stringify(body)).toContain('person.put');
  expect(JSON.stringify(body)).not.toContain('note.put');
  expect(body.paths).not.toHaveProperty('/api/events');
});
