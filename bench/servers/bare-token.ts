import jwt from '@fastify/jwt';
import fastify from 'fastify';
import { serveParent } from '../serve-parent.ts';

/** What a poll costs that does nothing: Fastify, and the check of the token, each time. */
serveParent<{ readonly secret: string }>(async ({ secret }) => {
  const app = fastify();
  await app.register(jwt, {
    secret,
    verify: { complete: true, requiredClaims: ['exp'], algorithms: ['HS256'] },
  });
  app.get('/', async (request) => {
    await request.jwtVerify();
    return { changes: [] };
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { ready: { url } };
});
