<?php
// A site with Laravel: laravel.php OPTIONS, as JSON, writes a session and says its id and cookie.
require 'Illuminate/Cache/autoload.php';
require 'Illuminate/Cookie/autoload.php';
require 'Illuminate/Database/autoload.php';
require 'Illuminate/Encryption/autoload.php';
require 'Illuminate/Redis/autoload.php';
require 'Illuminate/Session/autoload.php';

use Illuminate\Cache\RedisStore;
use Illuminate\Cache\Repository;
use Illuminate\Cookie\Middleware\EncryptCookies;
use Illuminate\Database\Capsule\Manager as Capsule;
use Illuminate\Encryption\Encrypter;
use Illuminate\Filesystem\Filesystem;
use Illuminate\Redis\RedisManager;
use Illuminate\Session;
use Symfony\Component\HttpFoundation\Cookie;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;

$options = json_decode($argv[1], true);
$key = base64_decode(substr($options['key'], 7));
$encrypter = new Encrypter($key, $options['cipher']);

if ($options['driver'] === 'file') {
    $handler = new Session\FileSessionHandler(new Filesystem(), $options['path'], 120);
} elseif ($options['driver'] === 'database') {
    $capsule = new Capsule();
    $capsule->addConnection(['driver' => 'sqlite', 'database' => $options['path']]);
    $capsule->getConnection()->getSchemaBuilder()->create('sessions', function ($table) {
        $table->string('id')->primary();
        $table->text('payload');
        $table->integer('last_activity')->index();
    });
    $handler = new Session\DatabaseSessionHandler($capsule->getConnection(), 'sessions', 120);
} else {
    $redis = new RedisManager(null, 'phpredis', [
        'options' => ['prefix' => 'laravel_database_'],
        'default' => ['host' => '127.0.0.1', 'port' => (int) $options['path']],
    ]);
    $store = new Repository(new RedisStore($redis, 'laravel_cache'));
    $handler = new Session\CacheBasedSessionHandler($store, 120);
}
$session = $options['encrypt']
    ? new Session\EncryptedStore('laravel_session', $handler, $encrypter)
    : new Session\Store('laravel_session', $handler);
$session->start();
$session->put('name', 'Ann');
$session->put('cart.apple', 2);
$session->save();

class SerializeCookies extends EncryptCookies
{
    protected static $serialize = true;
}

$middleware = $options['serialize'] ? SerializeCookies::class : EncryptCookies::class;
$answer = (new $middleware($encrypter))->handle(new Request(), function () use ($session) {
    $response = new Response();
    $response->headers->setCookie(new Cookie('laravel_session', $session->getId()));
    $response->headers->setCookie(new Cookie('theme', $session->getId()));
    return $response;
});
$cookies = ['id' => $session->getId()];
foreach ($answer->headers->getCookies() as $cookie) {
    $cookies[$cookie->getName()] = explode('=', explode(';', (string) $cookie)[0], 2)[1];
}
echo json_encode($cookies);
