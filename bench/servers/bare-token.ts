import jwt from '@fastify/jwt';
import fastify, { type FastifyRequest } from 'fastify';
import { rememberTokens } from '../../src/known-tokens.ts';
import { serveParent } from '../serve-parent.ts';

/** What a poll costs at least: Fastify, and the same check of the token. */
serveParent<{ readonly secret: string }>(async ({ secret }) => {
  const app = fastify();
  await app.register(jwt, {
    secret,
    verify: { complete: true, requiredClaims: ['exp'], algorithms: ['HS256'] },
  });
  const identify = rememberTokens(async (request: FastifyRequest) => {
    const { payload } = await request.jwtVerify<{ readonly payload: { readonly exp: number } }>();
    return { from: 0, until: payload.exp * 1000 };
  });
  app.get('/', async (request) => {
    await identify(request);
    return { changes: [] };
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { ready: { url } };
});
