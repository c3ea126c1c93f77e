<?php
// A site with Symfony: symfony.php HANDLER PATH writes a session and says its id.
require 'Symfony/Component/HttpFoundation/autoload.php';

use Symfony\Component\HttpFoundation\Session\Session;
use Symfony\Component\HttpFoundation\Session\Storage\Handler;
use Symfony\Component\HttpFoundation\Session\Storage\NativeSessionStorage;

[, $kind, $path] = $argv;
if ($kind === 'pdo') {
    $handler = new Handler\PdoSessionHandler('sqlite:' . $path);
    if (!filesize($path)) {
        $handler->createTable();
    }
} elseif ($kind === 'memcached') {
    $memcached = new Memcached();
    $memcached->addServer('127.0.0.1', (int) $path);
    $handler = new Handler\MemcachedSessionHandler($memcached);
} elseif ($kind === 'redis') {
    $redis = new Redis();
    $redis->connect('127.0.0.1', (int) $path);
    $handler = new Handler\RedisSessionHandler($redis);
} else {
    $handler = new Handler\NativeFileSessionHandler($path);
}
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
$session = new Session(new NativeSessionStorage([], $handler));
$session->getFlashBag()->add('notice', 'hello');
if (($argv[3] ?? '') !== 'guest') {
    $session->set('name', 'Ann');
    $session->set('cart', ['apple' => 2]);
    if (($argv[3] ?? '') === 'long') {
        $session->set('text', str_repeat('x', 5000));
    }
}
$session->save();
echo $session->getId();
