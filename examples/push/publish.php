<?php
// Push an event from PHP:   php publish.php kittens 'Look!'

const PUSH_URL = 'http://localhost:8080/publish';
const PUSH_SECRET = 'kitten secret';

/** Sends an event to all who have subscribed to the topic, and says how many servers were told. */
function push(string $topic, mixed $event): int
{
    $body = json_encode(['topic' => $topic, 'event' => $event], JSON_THROW_ON_ERROR);
    $time = sprintf('%.6F', microtime(true));
    $signature = hash_hmac('sha256', "$time\n$body", PUSH_SECRET);
    $answer = @file_get_contents(PUSH_URL, false, stream_context_create(['http' => [
        'method' => 'POST',
        'header' => [
            'Content-Type: application/json',
            "Ratchet-Timestamp: $time",
            "Ratchet-Signature: $signature",
        ],
        'content' => $body,
        'timeout' => 5,
        'ignore_errors' => true,
    ]]));
    $pushed = json_decode($answer ?: '', true);
    if (!isset($pushed['nodes'])) {
        throw new RuntimeException('not pushed: ' . ($answer ?: 'no answer'));
    }
    return $pushed['nodes'];
}

echo push($argv[1], ['title' => $argv[2]]), "\n";
