import swagger, { type StaticDocumentSpec } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import plugin from 'fastify-plugin';

/** The API page at /docs, with the document as JSON and YAML below it. */
export const apiPage = plugin<{ document: object }>(
  async (app, { document }) => {
    // The plugin's types know OpenAPI 3.0 only; it serves whatever document it is given.
    const specification = { document: document as StaticDocumentSpec['document'] };
    await app.register(swagger, { mode: 'static', specification });
    await app.register(async (page) => {
      // Its files are small, and a range that they do not have would be an error of its own.
      page.addHook('onRequest', async ({ headers }) => void delete headers.range);
      await page.register(swaggerUi, { routePrefix: '/docs', staticCSP: true });
    });
  },
  { name: 'api-page' },
);
