import { createRoute } from '@hono/zod-openapi';
import {
  layerCompleted,
  layerDeclaration,
  layersCheck,
  layersChecked,
  uploadSession,
} from '../../shared/api/layers.ts';
import { completeLayer } from '../core/complete-layer.ts';
import { requireSubmitter } from '../core/permissions.ts';
import { BEARER, failures, json, jsonRequest } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { jsonBody } from './middleware/json-body.ts';
import { layerParams } from './parameters.ts';

const TAGS = ['layers'];

const checkLayers = createRoute({
  method: 'post',
  path: '/v1/layers/check',
  tags: TAGS,
  security: BEARER,
  middleware: jsonBody,
  summary: 'Which layers are there',
  description: 'Upload what is missing or failed; everything else is here.',
  request: { body: jsonRequest(layersCheck) },
  responses: { 200: json(layersChecked, 'Each layer, in order.'), ...failures(415, 422) },
});

const beginUpload = createRoute({
  method: 'post',
  path: '/v1/layers',
  tags: TAGS,
  security: BEARER,
  middleware: jsonBody,
  summary: 'Open an upload, or find it again',
  description: 'Declares what will be sent; all of it is checked. Then PUT the bytes to uploadUrl.',
  request: { body: jsonRequest(layerDeclaration) },
  responses: {
    200: json(uploadSession, 'Where the bytes go.'),
    ...failures(409, 415, 422),
  },
});

const completeUpload = createRoute({
  method: 'post',
  path: '/v1/layers/{diffId}/complete',
  tags: TAGS,
  security: BEARER,
  summary: 'End an upload: the layer is verified and published under its key',
  request: { params: layerParams },
  responses: {
    200: json(layerCompleted, 'Verified.'),
    202: json(layerCompleted, 'All bytes are here; verification follows.'),
    ...failures(404, 409, 422),
  },
});

/** Routes of content-addressed source layers. */
export function addLayers(app: Api, { deps }: ApiHost): void {
  app.openapi(checkLayers, async (c) => {
    const { diffIds } = c.req.valid('json');
    const states = await deps.layers.check(diffIds);
    const layers = states.map((found, at) => ({
      diffId: diffIds[at] ?? '',
      state: found.state,
      reason: found.state === 'failed' ? found.reason : null,
    }));
    return c.json({ layers }, 200);
  });
  app.openapi(beginUpload, async (c) => {
    requireSubmitter(c.get('principal'));
    const declaration = c.req.valid('json');
    const { uploadUrl } = await deps.layers.begin(declaration);
    return c.json({ uploadUrl: uploadUrl ?? `/v1/layers/${declaration.diffId}/upload` }, 200);
  });
  app.openapi(completeUpload, async (c) => {
    requireSubmitter(c.get('principal'));
    const { diffId } = c.req.valid('param');
    const state = await completeLayer(deps, diffId);
    return c.json({ diffId, state }, state === 'verified' ? 200 : 202);
  });
}
