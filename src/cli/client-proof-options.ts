import { type Command, Option } from 'commander';
import { CLIENT_AUTHENTICATION_METHODS } from '#src/clients/client-authentication.ts';

/** What an administrator says of how a client proves itself. */
export interface ClientProofOptions {
  readonly public?: boolean;
  readonly authMethod?: string;
  readonly tlsSubjectDn?: string;
  readonly tlsSanDns?: string;
  readonly tlsSanUri?: string;
  readonly tlsSanIp?: string;
  readonly tlsSanEmail?: string;
  readonly certificateBound?: boolean;
  readonly dpopBound?: boolean;
}

/** Gives a command the options that say how a client proves who it is, and that its tokens are its own. */
export function describesProofs(command: Command): Command {
  return command
    .option('--public', 'it cannot keep a secret, as an app or a page cannot: the same as --auth-method none')
    .addOption(
      new Option('--auth-method <method>', 'how it proves who it is; default: client_secret_basic')
        .choices(CLIENT_AUTHENTICATION_METHODS)
        .conflicts('public'),
    )
    .option(
      '--tls-subject-dn <dn>',
      'for tls_client_auth: the subject of its certificate, as RFC 4514 writes it',
    )
    .option('--tls-san-dns <name>', 'or else a DNS name in its certificate')
    .option('--tls-san-uri <uri>', 'or else a URI in its certificate')
    .option('--tls-san-ip <address>', 'or else an IP address in its certificate')
    .option('--tls-san-email <address>', 'or else an email address in its certificate')
    .option('--certificate-bound', 'bind its tokens to the certificate that it shows (RFC 8705)')
    .addOption(
      new Option('--dpop-bound', 'have it bind its tokens to a key by DPoP (RFC 9449)').conflicts(
        'certificateBound',
      ),
    );
}

/** What the options say, by the registered names of client metadata; `undefined` if that is nothing. */
export function proofsByOptions(options: ClientProofOptions): Record<string, unknown> | undefined {
  const said = {
    tls_client_auth_subject_dn: options.tlsSubjectDn,
    tls_client_auth_san_dns: options.tlsSanDns,
    tls_client_auth_san_uri: options.tlsSanUri,
    tls_client_auth_san_ip: options.tlsSanIp,
    tls_client_auth_san_email: options.tlsSanEmail,
    tls_client_certificate_bound_access_tokens: options.certificateBound,
    dpop_bound_access_tokens: options.dpopBound,
  };
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}
