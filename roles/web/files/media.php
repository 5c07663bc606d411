<?php
// Asks hornero-media whether this node is one more that has the uploads: until then no other may be taken away.

/** Tells why it is not; nothing when it is. */
function hornero_media_unready(): string {
	$socket = @stream_socket_client('unix:///run/hornero-media/media.sock', $number, $reason, 1);
	if (!$socket) {
		return 'hornero-media does not answer';
	}

	stream_set_timeout($socket, 5);
	fwrite($socket, "POST /ready HTTP/1.0\r\nHost: media\r\nContent-Length: 0\r\n\r\n");
	$answer = (string) stream_get_contents($socket);
	fclose($socket);

	if (preg_match('#^HTTP/1\.[01] 2#', $answer)) {
		return '';
	}

	return 'uploads: ' . trim((string) substr($answer, (int) strpos($answer, "\r\n\r\n") + 4));
}
