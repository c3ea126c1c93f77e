<?php
// Push an event straight to Redis, with the extension "redis":   php redis.php kittens 'Look!'

$redis = new Redis();
$redis->connect('localhost', 6379);
$event = ['title' => $argv[2]];
echo $redis->publish("ratchet:/pubsub:$argv[1]", json_encode(['event' => $event])), "\n";
