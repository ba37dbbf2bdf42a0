import type { IncomingMessage, ServerResponse } from 'node:http';
import plugin from 'fastify-plugin';
import helmet from 'helmet';

/**
 * Sets security headers for JSON answers: a browser must not execute, frame or sniff them. The API page
 * sets its own content security policy. Strict-Transport-Security is left to the proxy that terminates
 * TLS, because only its operator knows what else the host serves.
 *
 * Helmet computes the headers once, and Fastify sets them. If Helmet set them on Node's response, Node
 * would process each header of an answer separately.
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
