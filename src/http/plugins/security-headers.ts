import type { IncomingMessage, ServerResponse } from 'node:http';
import plugin from 'fastify-plugin';
import helmet from 'helmet';

/**
 * What makes sense for answers that are JSON: nothing in them is to be run, framed or guessed at. The
 * API page brings a policy of its own. Strict-Transport-Security is left to whoever ends TLS, who alone
 * knows what else that host serves.
 *
 * Said once, and given to the framework: what is set on Node's response itself makes it go through all
 * headers of an answer one by one.
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
    const headers: { [name: string]: string } = {};
    const response = {
      setHeader: (name: string, value: string) => (headers[name] = value),
      removeHeader() {},
    };
    setHeaders({} as IncomingMessage, response as unknown as ServerResponse, () => {});
    app.addHook('onRequest', (_request, reply, done) => {
      reply.headers(headers);
      done();
    });
  },
  { name: 'security-headers' },
);
