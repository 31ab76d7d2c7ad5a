/**
 * The longest query. Whatever anyone asks here is kept until it is answered, so it is not to be a way to fill the
 * store; a longer request can be pushed by a client that authenticates (RFC 9126).
 */
export const QUERY_CHARS_MAX = 8 * 1024;
