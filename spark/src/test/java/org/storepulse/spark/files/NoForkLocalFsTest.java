package org.storepulse.spark.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.EnumSet;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What Spark's checkpoints do with files: create, rename over, read, set permissions. */
class NoForkLocalFsTest {
  private static final byte[] CONTENT = "v1\n{\"batch\":7}".getBytes(StandardCharsets.UTF_8);

  @TempDir java.nio.file.Path folder;

  @Test
  void aRenamedFileReadsBackWithEitherFileSystem() throws IOException {
    writeAndRename(ours(), "offsets/7");
    assertArrayEquals(CONTENT, read(ours(), "offsets/7"));
    assertArrayEquals(CONTENT, read(hadoops(), "offsets/7"));

    writeAndRename(hadoops(), "offsets/8");
    assertArrayEquals(CONTENT, read(ours(), "offsets/8"));
  }

  @Test
  void permissionsAreTheSameAsHadoops() throws IOException {
    for (String octal : new String[] {"644", "600", "755", "421", "000", "777", "1777"}) {
      FsPermission permission = new FsPermission(octal);
      for (FileContext files : new FileContext[] {ours(), hadoops()}) {
        Path path = path(octal);
        files.create(path, EnumSet.of(CreateFlag.CREATE, CreateFlag.OVERWRITE)).close();
        files.setPermission(path, permission);
        assertEquals(permission, hadoops().getFileStatus(path).getPermission(), octal);
        files.delete(path, false);
      }
    }
  }

  @Test
  void statusOfFilesFoldersAndLinksIsTheSameAsHadoops() throws IOException {
    Files.write(folder.resolve("file"), CONTENT);
    Files.createDirectory(folder.resolve("directory"));
    Files.createSymbolicLink(folder.resolve("link"), folder.resolve("file"));
    for (String name : new String[] {"file", "directory", "link"}) {
      var ours = ours().getFileLinkStatus(path(name));
      var hadoops = hadoops().getFileLinkStatus(path(name));
      assertEquals(hadoops.toString(), ours.toString(), name);
    }
    for (FileContext files : new FileContext[] {ours(), hadoops()}) {
      assertThrows(FileNotFoundException.class, () -> files.getFileLinkStatus(path("absent")));
    }
  }

  @Test
  void noProcessIsStarted() throws IOException {
    assertTrue(processesOf(hadoops(), "1") > 0, "the test must be able to see one");
    assertEquals(0, processesOf(ours(), "2"));
  }

  private long processesOf(FileContext files, String name) throws IOException {
    java.nio.file.Path dump = folder.resolve(name + ".jfr");
    try (Recording recording = new Recording()) {
      recording.enable("jdk.ProcessStart");
      recording.start();
      writeAndRename(files, name);
      recording.stop();
      recording.dump(dump);
    }
    return RecordingFile.readAllEvents(dump).stream()
        .map(RecordedEvent::getEventType)
        .filter(type -> type.getName().equals("jdk.ProcessStart"))
        .count();
  }

  private void writeAndRename(FileContext files, String name) throws IOException {
    Path temporary = path(name + ".tmp");
    try (FSDataOutputStream out =
        files.create(temporary, EnumSet.of(CreateFlag.CREATE, CreateFlag.OVERWRITE), Options.CreateOpts.createParent())) {
      out.write(CONTENT);
    }
    files.rename(temporary, path(name), Options.Rename.OVERWRITE);
  }

  private byte[] read(FileContext files, String name) throws IOException {
    try (FSDataInputStream in = files.open(path(name))) {
      return in.readAllBytes();
    }
  }

  private Path path(String name) {
    return new Path(folder.resolve(name).toUri());
  }

  private static FileContext ours() throws IOException {
    Configuration conf = new Configuration();
    conf.set("fs.AbstractFileSystem.file.impl", NoForkLocalFs.class.getName());
    return FileContext.getFileContext(URI.create("file:///"), conf);
  }

  private static FileContext hadoops() throws IOException {
    return FileContext.getFileContext(URI.create("file:///"), new Configuration());
  }
}
