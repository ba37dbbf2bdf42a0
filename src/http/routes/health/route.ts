import type { FastifyPluginAsync } from 'fastify';

export interface Readiness {
  readonly ready: boolean;
  /** The result of each check, for a person who asks why the service is not ready. */
  readonly checks: { readonly [name: string]: boolean };
}

export interface HealthDeps {
  readonly readiness: () => Promise<Readiness>;
}

/** `/livez`: the process answers. `/readyz`: the service can do its work and may get traffic. */
export const healthRoutes: FastifyPluginAsync<HealthDeps> = async (app, { readiness }) => {
  const options = { config: { probe: true } };

  app.get('/livez', options, async () => ({ status: 'ok' }));

  app.get('/readyz', options, async (_request, reply) => {
    const { ready, checks } = await readiness();
    reply.code(ready ? 200 : 503).header('cache-control', 'no-store');
    return { status: ready ? 'ok' : 'unavailable', checks };
  });
};
