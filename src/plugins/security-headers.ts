import plugin from 'fastify-plugin';
import helmet from 'helmet';

/**
 * What makes sense for answers that are JSON: nothing in them is to be run, framed or guessed at. The
 * API page brings a policy of its own. Strict-Transport-Security is left to whoever ends TLS, who alone
 * knows what else that host serves.
 *
 * Set up once: the framework's plugin for it does so for each request.
 */
export const securityHeaders = plugin(
  async (app) => {
    const setHeaders = helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
      },
      frameguard: { action: 'deny' },
      strictTransportSecurity: false,
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
      xDnsPrefetchControl: false,
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
    });
    app.addHook('onRequest', ({ raw }, reply, done) => setHeaders(raw, reply.raw, () => done()));
  },
  { name: 'security-headers' },
);
