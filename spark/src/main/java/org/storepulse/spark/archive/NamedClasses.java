package org.storepulse.spark.archive;

import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Classes that only run beside a master, a worker or a store, loaded by the names of their packages. */
final class NamedClasses {
  private static final List<String> PACKAGES =
      List.of(
          "org/storepulse/spark/",
          "org/apache/spark/deploy/client/",
          "org/apache/spark/deploy/master/",
          "org/apache/spark/deploy/worker/",
          "org/apache/spark/executor/",
          "org/apache/spark/rpc/",
          "org/apache/spark/scheduler/cluster/",
          "org/apache/spark/connect/proto/",
          "org/apache/spark/sql/connect/",
          "org/apache/spark/sql/kafka010/",
          "org/apache/spark/network/",
          "org/apache/kafka/clients/consumer/",
          "org/apache/kafka/common/requests/",
          "com/datastax/spark/connector/",
          "com/datastax/oss/driver/internal/core/");

  private NamedClasses() {}

  /** The number of classes that could be loaded. */
  static int load() throws IOException {
    int loaded = 0;
    for (String jar : System.getProperty("java.class.path").split(":")) {
      if (jar.endsWith(".jar")) {
        try (FileSystem files = FileSystems.newFileSystem(Path.of(jar))) {
          for (String folder : PACKAGES) {
            loaded += load(files.getPath(folder));
          }
        }
      }
    }
    return loaded;
  }

  private static int load(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return 0;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      Stream<String> classes = files.map(Path::toString).filter(name -> name.endsWith(".class"));
      return (int) classes.filter(NamedClasses::loads).count();
    }
  }

  private static boolean loads(String file) {
    String name = file.substring(0, file.length() - ".class".length()).replace('/', '.');
    try {
      Class.forName(name, false, NamedClasses.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException | LinkageError withoutWhatItNeeds) {
      return false;
    }
  }
}
