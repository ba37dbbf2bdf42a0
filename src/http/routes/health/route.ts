import type { FastifyPluginAsync } from 'fastify';

export interface Readiness {
  readonly ready: boolean;
  /** Each check by name, for a person who asks why not. */
  readonly checks: { readonly [name: string]: boolean };
}

export interface HealthDeps {
  readonly readiness: () => Promise<Readiness>;
}

/** `/livez`: the process answers. `/readyz`: it can also do its work, so send it traffic. */
export const healthRoutes: FastifyPluginAsync<HealthDeps> = async (app, { readiness }) => {
  const options = { config: { probe: true } };

  app.get('/livez', options, async () => ({ status: 'ok' }));

  app.get('/readyz', options, async (_request, reply) => {
    const { ready, checks } = await readiness();
    reply.code(ready ? 200 : 503).header('cache-control', 'no-store');
    return { status: ready ? 'ok' : 'unavailable', checks };
  });
};
