import { z } from 'zod';

const URI_LENGTH_MAX = 2048;

/** An address that this server or a person's browser is sent to. */
export const webUri = z
  .url({ protocol: /^https?$/, error: 'must be an absolute http or https URI' })
  .max(URI_LENGTH_MAX)
  .refine((uri) => /^https?:/.test(uri) || !/^https?:/i.test(uri), 'the scheme must be in lower case')
  .refine((uri) => !uri.includes('#'), 'must not have a fragment');

const algorithm = z.string().regex(/^[A-Za-z0-9+-]{2,32}$/, 'must be the name of an algorithm (RFC 7518)');
const name = z.string().min(1).max(256);
const names = z.array(name).max(32);

/**
 * What a client may register beside what Keyturn's own rules read, in the names of the registry that RFC 7591 section
 * 4.1 keeps. The room that speaks the protocol decides what each value does, and whether this server has it.
 */
export const clientMetadata = z
  .strictObject({
    // RFC 7591 section 2; OpenID Connect Dynamic Client Registration section 2.
    contacts: z.array(z.email()).max(32),
    logo_uri: webUri,
    policy_uri: webUri,
    tos_uri: webUri,
    initiate_login_uri: webUri.refine((uri) => uri.startsWith('https:'), 'must be an https URI'),
    default_acr_values: names,
    default_max_age: z.int().min(0),
    require_auth_time: z.boolean(),
    response_types: names,
    response_modes: names,
    subject_type: z.enum(['public', 'pairwise']),
    sector_identifier_uri: webUri,
    software_id: name,
    software_version: name,
    token_endpoint_auth_signing_alg: algorithm,
    id_token_encrypted_response_alg: algorithm,
    id_token_encrypted_response_enc: algorithm,
    userinfo_signed_response_alg: algorithm,
    userinfo_encrypted_response_alg: algorithm,
    userinfo_encrypted_response_enc: algorithm,
    // RFC 9101 section 10; OpenID Connect Dynamic Client Registration section 2.
    request_object_signing_alg: algorithm,
    request_object_encryption_alg: algorithm,
    request_object_encryption_enc: algorithm,
    require_signed_request_object: z.boolean(),
    // RFC 9126 section 6.
    require_pushed_authorization_requests: z.boolean(),
    // JARM section 5.
    authorization_signed_response_alg: algorithm,
    authorization_encrypted_response_alg: algorithm,
    authorization_encrypted_response_enc: algorithm,
    // RFC 9701 section 6.
    introspection_signed_response_alg: algorithm,
    introspection_encrypted_response_alg: algorithm,
    introspection_encrypted_response_enc: algorithm,
    // RFC 9396 section 10.
    authorization_details_types: names,
    // RFC 9449 section 5.2.
    dpop_bound_access_tokens: z.boolean(),
    // RFC 8705 sections 2.1.2 and 3.4.
    tls_client_auth_subject_dn: name,
    tls_client_auth_san_dns: name,
    tls_client_auth_san_uri: name,
    tls_client_auth_san_ip: name,
    tls_client_auth_san_email: name,
    tls_client_certificate_bound_access_tokens: z.boolean(),
    // OpenID Connect Back-Channel Logout section 2.2.
    backchannel_logout_uri: webUri,
    backchannel_logout_session_required: z.boolean(),
    // OpenID Connect CIBA section 4.
    backchannel_token_delivery_mode: z.enum(['poll', 'ping']),
    backchannel_client_notification_endpoint: webUri,
    backchannel_authentication_request_signing_alg: algorithm,
    backchannel_user_code_parameter: z.boolean(),
  })
  .partial();

export type ClientMetadata = Readonly<z.output<typeof clientMetadata>>;

/** The names of that metadata. */
export const CLIENT_METADATA_NAMES: readonly string[] = Object.keys(clientMetadata.shape);
