<?php
// A site in plain PHP: native.php HANDLER PATH FORMAT [ID] writes a session and says its id.
[, $handler, $path, $format] = $argv;
ini_set('session.save_handler', $handler);
ini_set('session.save_path', $path);
ini_set('session.serialize_handler', $format);
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');

enum Suit { case Hearts; }

class Base { private $secret = 'of the base'; }

class User extends Base
{
    public $name = 'Ann';
    protected $mail = 'ann@example.com';
    private $secret = 'of the user';
    public $friend;
}

class Custom implements Serializable
{
    public function serialize() { return '{any "thing"}'; }
    public function unserialize($data) {}
    public function __serialize(): array { return [1, 'two' => 2]; }
    public function __unserialize(array $data): void {}
}

class Old implements Serializable
{
    public $data = ['of', 'old'];
    public function serialize() { return serialize($this->data); }
    public function unserialize($data) {}
}

session_id($argv[4] ?? session_create_id());
session_start();
$ann = new User();
$ann->friend = $ann;
$_SESSION = [
    'name' => 'Änn "quoted"; |',
    'visits' => 7,
    'big' => PHP_INT_MAX,
    'small' => PHP_INT_MIN,
    'ratio' => 0.1,
    'huge' => 1.5e300,
    'endless' => [INF, -INF],
    'on' => true,
    'off' => false,
    'nothing' => null,
    'roles' => ['admin', 'editor'],
    'empty' => [],
    'cart' => ['apple' => 2, 5 => ['x' => [1, [2, [3]]]]],
    'binary' => "\xff\x00|",
    'user' => $ann,
    'same' => $ann,
    'suits' => [Suit::Hearts, Suit::Hearts],
    'custom' => new Custom(),
    'old' => new Old(),
    'ring' => ['name' => 'ring'],
];
$_SESSION['alias'] = &$_SESSION['roles'];
$_SESSION['ring']['next'] = &$_SESSION['ring'];
$_SESSION['last'] = $ann;
$_SESSION['deep']['down'] = &$_SESSION['cart'][5];
$id = session_id();
session_write_close();
echo $id;
