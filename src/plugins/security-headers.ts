import helmet from '@fastify/helmet';
import plugin from 'fastify-plugin';

/**
 * What makes sense for answers that are JSON: nothing in them is to be run, framed or guessed at. The
 * API page brings a policy of its own. Strict-Transport-Security is left to whoever ends TLS, who alone
 * knows what else that host serves.
 */
export const securityHeaders = plugin(
  async (app) => {
    await app.register(helmet, {
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
  },
  { name: 'security-headers' },
);
